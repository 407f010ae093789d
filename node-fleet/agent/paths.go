package agent

// Where things are on a node. They are the usual places, so that whoever looks
// after a node finds them.
const (
	images     = "/usr/share/marina/images"
	imageNames = images + "/images.json" // archive, without ".tar", to name
	cniProgram = "/opt/cni/bin"

	containerdConfig = "/etc/containerd/config.toml"
	containerdHosts  = "/etc/containerd/certs.d"
	registryHosts    = containerdHosts + "/_default/hosts.toml"
	containerdRoot   = "/var/lib/containerd"
	containerdState  = "/run/containerd"

	cniConfig = "/etc/cni/net.d"
	cniList   = cniConfig + "/10-marina.conflist"
	cniLeases = "/run/cni/networks" // on a tmpfs: the pods end with the machine, too

	kubeletConfig       = "/etc/kubernetes/kubelet.json"
	kubeletBootstrap    = "/etc/kubernetes/bootstrap.kubeconfig"
	kubeletKubeconfig   = "/var/lib/kubelet/kubeconfig"
	kubeletCertificates = "/var/lib/kubelet/pki"
	volumePlugins       = "/var/lib/kubelet/volume-plugins"
	// kubeletClient is a link that the kubelet keeps on its newest certificate;
	// the key is in the same file.
	kubeletClient = kubeletCertificates + "/kubelet-client-current.pem"

	proxyConfig     = "/etc/kubernetes/kube-proxy.json"
	proxyKubeconfig = "/etc/kubernetes/kube-proxy.kubeconfig"

	hostsFile  = "/etc/hosts"
	resolvConf = "/etc/resolv.conf"
	logs       = "/var/log/marina"
)

func kubernetes(minor string) string { return "/usr/bin/marina-kubernetes-" + minor }
