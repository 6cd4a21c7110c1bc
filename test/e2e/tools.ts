/**
 * Where the clients are: those of the Go module proxy in a folder of their own (`install.sh` builds
 * them there, so that nothing of the system is replaced), Debian's where its packages put them.
 * Full paths everywhere: a machine may well have another docker or containerd first in its PATH.
 */
import { homedir } from "node:os";
import { join } from "node:path";

/** The folder that `install.sh` fills; both compute it by the same rule. */
const installed = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "longshore-e2e");
const built = join(installed, "bin");

/** The clients and daemons, by full path. */
export const tools = {
  /** Debian's engine, which keeps images in a graph driver. */
  graphDockerd: "/usr/sbin/dockerd",
  /** Today's engine, which keeps images in containerd's content store. */
  containerdDockerd: join(built, "dockerd"),
  /** Debian's docker command, which speaks to both engines. */
  docker: "/usr/bin/docker",
  containerd: join(built, "containerd"),
  ctr: join(built, "ctr"),
  /** The containerd that older Kubernetes nodes run. */
  debianContainerd: "/usr/bin/containerd",
  debianCtr: "/usr/bin/ctr",
  skopeo: "/usr/bin/skopeo",
  podman: "/usr/bin/podman",
  htpasswd: "/usr/bin/htpasswd",
  mmdebstrap: "/usr/bin/mmdebstrap",
  systemdAnalyze: "/usr/bin/systemd-analyze",
  tar: "/usr/bin/tar",
  unshare: "/usr/bin/unshare",
  crane: join(built, "crane"),
  regctl: join(built, "regctl"),
  helm: join(built, "helm"),
  actionlint: join(built, "actionlint"),
  cosign: join(built, "cosign"),
  buildctl: join(built, "buildctl"),
  buildkitd: join(built, "buildkitd"),
  /** Go programs of our own, from the folder `programs`. */
  kubeletImages: join(built, "kubelet-images"),
  orasReferrers: join(built, "oras-referrers"),
  /** The Python that has the ORAS library. */
  python: join(installed, "oras-python", "bin", "python"),
} as const;

/** A PATH in which a daemon finds its own containerd and runc. */
export const pathWithBuiltTools = `${built}:${process.env["PATH"] ?? ""}`;
