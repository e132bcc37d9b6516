//! Whether strangers' pictures, videos and sounds can be opened safely here: by starting a worker, as the program does.

use super::finding::Finding;
use crate::config::Config;
use tertulia_media_worker::host::Pool;
use tertulia_media_worker::sandbox::Layers;

const CHECK: &str = "sandbox";
/// Layers that a host may refuse.
const TODO_ABSENT: &str = "nothing must be done: what is required holds. Landlock comes with the kernel (5.13 or newer, `landlock` \
    in the `lsm=` list); namespaces are what containers and hardened services refuse";
const TODO_NONE: &str = "let the program make the calls seccomp, prctl, prlimit64 and pidfd_open (a container: no filter stricter \
    than Docker's own; a service: as in deploy/systemd), and see /proc. Documents are taken meanwhile";

/// Starts a worker and asks what holds it.
pub(super) fn check(config: &Config) -> Option<Finding> {
    config.uploads.enabled.then(|| finding(ask(config)))
}

fn ask(config: &Config) -> Result<Layers, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut pool = config.uploads.pool();
        pool.ready = 1;
        let pool = Pool::start(pool).map_err(|error| error.to_string())?;
        let layers = pool.layers().await;
        pool.shutdown().await;
        layers
    })
}

fn finding(layers: Result<Layers, String>) -> Finding {
    let layers = match layers {
        Ok(layers) => layers,
        Err(why) => {
            return Finding::problem(
                CHECK,
                format!("pictures, videos and sounds can't be opened safely: {why}"),
                TODO_NONE,
            );
        }
    };
    // As root none is needed: the worker becomes nobody instead.
    let absent = layers.each().into_iter().filter(|(name, holds)| !holds && *name != "user_namespace");
    let absent: Vec<_> = absent.map(|(name, _)| name).collect();
    if absent.is_empty() {
        return Finding::ok(CHECK, "what opens pictures, videos and sounds is held by every layer");
    }
    Finding::warning(CHECK, format!("what opens pictures, videos and sounds lacks {}", absent.join(", ")), TODO_ABSENT)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn all() -> Layers {
        Layers {
            no_new_privs: true,
            rlimits: true,
            seccomp: true,
            no_capabilities: true,
            landlock: 6,
            user_namespace: false,
            net_namespace: true,
            ipc_namespace: true,
            mount_namespace: true,
        }
    }

    #[test]
    fn s8_what_holds_the_workers_is_said() {
        assert_eq!(finding(Ok(all())).level, Level::Ok);
        let some = finding(Ok(Layers { landlock: 0, mount_namespace: false, ..all() }));
        assert_eq!(some.level, Level::Warning);
        assert!(some.says.ends_with("lacks landlock, mount_namespace"), "{}", some.says);
        let none = finding(Err("the sandbox lacks seccomp: refused".into()));
        assert_eq!(none.level, Level::Problem);
        assert!(none.says.contains("lacks seccomp") && none.todo.is_some());
    }
}
