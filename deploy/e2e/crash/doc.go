// Package crash kills the processes of an installation, one at each step of the
// lives of clusters and node pools, and holds that everything ends as it was
// wanted and that nothing is left over.
//
// Nobody lists the steps: the reconcilers log each of them as it begins, a first
// life tells which there are, and the lives after it are disturbed at each. A reboot
// takes everything at once that is not on a disk.
package crash
