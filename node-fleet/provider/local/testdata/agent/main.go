// Command agent stands for marina-agent in tests of the local provider: like it,
// it makes mounts, cgroups, namespaces and children inside its machine, and
// leaves all of them behind when it is killed. It answers TCP on port 80.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		select {} // until it is killed
	}
	if err := run(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run() error {
	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	if err := mess(); err != nil {
		return err
	}
	if err := os.WriteFile("/var/ready", nil, 0o600); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	return nil
}

// mess does what a kubelet and containerd do.
func mess() error {
	if err := syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	for _, dir := range []string{"/var/lib/kubelet/volume", "/var/lib/low", "/var/lib/up", "/var/lib/work", "/var/lib/merged"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.Mount("tmpfs", "/var/lib/kubelet/volume", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	if err := syscall.Mount("overlay", "/var/lib/merged", "overlay", 0, "lowerdir=/var/lib/low,upperdir=/var/lib/up,workdir=/var/lib/work"); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	child := exec.Command("/proc/self/exe", "child")
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := child.Start(); err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	if err != nil {
		return err
	}
	for _, file := range groups {
		pod := filepath.Join(filepath.Dir(file), "kubepods", "pod")
		if err := os.MkdirAll(pod, 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
		if filepath.Base(filepath.Dir(file)) == "cpuset" {
			continue // has no processors yet
		}
		if err := os.WriteFile(filepath.Join(pod, "cgroup.procs"), fmt.Append(nil, child.Process.Pid), 0); err != nil {
			return fmt.Errorf("join cgroup: %w", err)
		}
	}
	_, err = io.WriteString(os.Stdout, "made a mess\n")
	return err
}
