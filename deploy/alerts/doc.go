// Package alerts holds what an operator's Prometheus does with Marina's metrics:
// marina.yaml says when somebody has to be called, prometheus.yml is an example of
// how to ask for the metrics. Each alert names the runbook that says what to do.
package alerts
