//! The whole with a program around it: as root, as nobody, where the host refuses layers, and killed.

use crate::support::{children, runs, until};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

const NOBODY: u32 = 65_534;

/// The worker and the program, where nobody may run them too.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("open to all");
        for program in [env!("CARGO_BIN_EXE_media-attacker"), env!("CARGO_BIN_EXE_tertulia-media-worker")] {
            let name = Path::new(program).file_name().expect("a name");
            std::fs::copy(program, folder.path().join(name)).expect("copied");
        }
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A program that runs, and what it says.
struct Parent {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Parent {
    /// One that does a picture.
    fn start(place: &Place, refused: &str, is_nobody: bool) -> Self {
        Self::with(place, "tertulia-media-worker", &picture(), refused, is_nobody)
    }

    fn with(place: &Place, worker: &str, input: &[u8], refused: &str, is_nobody: bool) -> Self {
        let mut command = Command::new(place.file("media-attacker"));
        command.arg("parent").arg(place.file(worker)).arg(refused);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if is_nobody && rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut child = command.spawn().expect("started");
        child.stdin.take().expect("piped").write_all(input).expect("sent");
        let says = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, says }
    }

    /// The next that it says, but for progress.
    fn line(&mut self) -> String {
        loop {
            match self.next() {
                line if line == "progress" => {}
                line => return line,
            }
        }
    }

    fn next(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

/// Whether this host lets a process have namespaces, and mount something in its own: asked by other means.
fn allows_mounts(is_nobody: bool) -> bool {
    let mut command = Command::new("unshare");
    if is_nobody || !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--ipc", "mount", "-t", "tmpfs", "none", "/proc"]);
    if is_nobody && rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// A JPEG of 64 by 48.
fn picture() -> Vec<u8> {
    let pixels = vec![90_u8; 64 * 48 * 3];
    let image = turbojpeg::Image {
        pixels: pixels.as_slice(),
        width: 64,
        pitch: 64 * 3,
        height: 48,
        format: turbojpeg::PixelFormat::RGB,
    };
    turbojpeg::compress(image, 80, turbojpeg::Subsamp::Sub2x2).expect("compressed").to_vec()
}

#[test]
fn d7_the_sandbox_holds_as_root_and_as_nobody() {
    let place = Place::new();
    for is_nobody in [false, true] {
        let mut parent = Parent::start(&place, "none", is_nobody);
        let layers = parent.line();
        for layer in ["+no_new_privs", "+rlimits", "+seccomp", "+no_capabilities"] {
            assert!(layers.contains(layer), "nobody: {is_nobody}: {layers}");
        }
        if allows_mounts(is_nobody) {
            for layer in ["+net_namespace", "+ipc_namespace", "+mount_namespace"] {
                assert!(layers.contains(layer), "nobody: {is_nobody}: {layers}");
            }
        }
        assert_eq!(parent.line(), "done 64x48", "nobody: {is_nobody}");
    }
}

#[test]
fn d7_where_the_host_refuses_optional_layers_it_works_and_says_so() {
    let place = Place::new();
    for is_nobody in [false, true] {
        let mut parent = Parent::start(&place, "optional", is_nobody);
        let layers = parent.line();
        for layer in ["+seccomp", "-landlock", "-user_namespace", "-net_namespace", "-mount_namespace"] {
            assert!(layers.contains(layer), "nobody: {is_nobody}: {layers}");
        }
        assert_eq!(parent.line(), "done 64x48", "nobody: {is_nobody}");
    }
}

#[test]
fn d7_where_the_host_refuses_a_required_layer_media_are_refused() {
    let place = Place::new();
    let mut parent = Parent::start(&place, "required", false);
    let state = parent.line();
    assert!(state.starts_with("unavailable the sandbox lacks rlimits: Operation not permitted"), "{state}");
    assert_eq!(parent.line(), "refused media_sandbox_unavailable");
}

#[tokio::test]
async fn d7_when_the_program_is_killed_its_workers_are_gone() {
    let place = Place::new();
    for is_nobody in [false, true] {
        // One is at a job that never listens: only the kernel can tell it.
        let mut parent = Parent::with(&place, "media-attacker", b"say the id and sleep", "none", is_nobody);
        assert!(parent.next().starts_with("layers"));
        assert_eq!(parent.next(), "progress");
        let id = parent.child.id();
        let mut workers = Vec::new();
        until("it has workers", || {
            workers = children(id);
            workers.len() >= 2
        })
        .await;
        drop(parent);
        until("its workers are gone", || workers.iter().all(|worker| !runs(*worker))).await;
    }
}

#[test]
fn a_worker_that_is_started_by_hand_says_what_it_is() {
    let worker = Command::new(env!("CARGO_BIN_EXE_tertulia-media-worker")).stdin(Stdio::null()).output().expect("ran");
    assert!(!worker.status.success());
    let words = String::from_utf8_lossy(&worker.stderr);
    assert!(words.contains("started by the server"), "{words}");
}
