//! Where files are kept: the folder or the bucket, asked to do what the program will ask of it.

use super::finding::Finding;
use super::folder::sync;
use crate::config::Config;
use crate::figures::disk;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tertulia_media_pipeline::store::{Examined, S3, S3Config, StoreError, StoreKind};

const CHECK: &str = "store";
/// Services refuse what was signed a quarter of an hour ago, or will be.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(15 * 60);
/// Beyond it somebody should look, before it is more.
const CLOCKS_APART_ODD: Duration = Duration::from_secs(60);

/// What was seen of a folder.
#[derive(Clone, Debug)]
struct FolderFacts {
    name: PathBuf,
    /// Whether a file could be written to it and taken away. None: it is not there, and the first start makes it.
    probed: Option<Result<(), String>>,
    free: Option<u64>,
    /// What uploads leave alone, and what the largest takes.
    free_min: u64,
    file_max: u64,
    /// Whether it is on the data folder's disk.
    same_disk: bool,
}

pub(super) fn check(config: &Config) -> Vec<Finding> {
    if !config.uploads.enabled {
        return Vec::new();
    }
    let store = &config.uploads.store;
    match (store.kind, &store.s3) {
        (StoreKind::S3, Some(s3)) => bucket(s3, examine(s3)),
        _ => folder(&look(config)),
    }
}

// === A folder ===

fn look(config: &Config) -> FolderFacts {
    let name = config.uploads.store.folder(&config.data.dir);
    // Not as a store is opened: that makes folders, which would be root's where root asks.
    let probed = name.is_dir().then(|| sync(&name).map(|_| ()).map_err(|error| error.to_string()));
    // What is not there yet will be where its nearest parent is.
    let there = name.ancestors().find(|parent| parent.is_dir()).unwrap_or(Path::new("/"));
    FolderFacts {
        probed,
        free: disk(there).map(|(free, _)| free),
        free_min: config.uploads.spool_free_bytes_min,
        file_max: config.uploads.limits.file_bytes_max,
        same_disk: is_same_disk(there, &config.data.dir),
        name,
    }
}

fn is_same_disk(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| path.metadata().map(|there| there.dev());
    !matches!((device(one), device(other)), (Ok(one), Ok(other)) if one != other)
}

fn folder(facts: &FolderFacts) -> Vec<Finding> {
    let name = facts.name.display();
    let mut findings = vec![match &facts.probed {
        None => Finding::ok(CHECK, format!("{name} is not there yet: the first start makes it")),
        Some(Ok(())) => Finding::ok(CHECK, format!("{name}: files can be written and taken away")),
        Some(Err(error)) => Finding::problem(
            CHECK,
            format!("nothing can be kept in {name}: {error}"),
            "chown it to the program's user; see that the disk is not full (df -h) nor read-only (findmnt -T)",
        ),
    }];
    if let Some(free) = facts.free {
        let mb = |bytes: u64| bytes / 1_000_000;
        let says = format!("{} MB are free for files, and uploads leave {} MB alone", mb(free), mb(facts.free_min));
        if free < facts.free_min {
            let todo = "free some, or set uploads.store.folder to a folder of a larger disk";
            findings.push(Finding::problem(CHECK, format!("{says}: all are refused"), todo));
        } else if free - facts.free_min < facts.file_max.saturating_mul(10) {
            let says = format!("{says}: fewer than ten of the largest files have room");
            findings.push(Finding::warning(CHECK, says, "free some, or lower uploads.limits.file_bytes_max"));
        }
    }
    if !facts.same_disk {
        findings.push(Finding::ok(CHECK, "it is on another disk than the data folder: every file is copied once more"));
    }
    findings
}

// === A bucket ===

fn examine(s3: &S3Config) -> Examined {
    let store = S3::open(s3).map_err(|error| error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match (store, runtime) {
        (Ok(store), Ok(runtime)) => runtime.block_on(store.examine()),
        (Err(error), _) => Examined { found: Err(StoreError::Failed(error)), clocks_apart: None },
        (_, Err(error)) => Examined { found: Err(StoreError::Failed(error.to_string())), clocks_apart: None },
    }
}

fn bucket(s3: &S3Config, examined: Examined) -> Vec<Finding> {
    let endpoint = s3.endpoint_url.as_deref().unwrap_or("Amazon S3");
    let which = format!("bucket {} at {endpoint}", s3.bucket);
    let mut findings = vec![match examined.found {
        Ok(()) => Finding::ok(CHECK, format!("{which}: an object was put, read and deleted")),
        Err(error) => Finding::problem(CHECK, format!("{which}: {error}"), todo(&error)),
    }];
    if let Some(apart) = examined.clocks_apart.filter(|apart| *apart > CLOCKS_APART_ODD) {
        let says = format!("this machine's clock and the service's are {} s apart", apart.as_secs());
        let todo = "timedatectl set-ntp true (on Debian: apt-get install systemd-timesyncd, or chrony)";
        findings.push(if apart > CLOCKS_APART_MAX {
            Finding::problem(CHECK, format!("{says}: it refuses what we sign"), todo)
        } else {
            Finding::warning(CHECK, says, todo)
        });
    }
    findings
}

fn todo(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unavailable(_) => {
            "is uploads.store.s3.endpoint_url right, does the service run, does a firewall let this machine out? Try it with curl"
        }
        StoreError::Full => "make room in it, or raise its quota",
        _ => {
            "see that the bucket is there, that region and force_path_style are the service's, that the access key and its secret \
             are right, and that the key may put, get and delete objects under the prefix"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn facts() -> FolderFacts {
        FolderFacts {
            name: "/srv/media".into(),
            probed: Some(Ok(())),
            free: Some(50_000_000_000),
            free_min: 268_435_456,
            file_max: 104_857_600,
            same_disk: true,
        }
    }

    fn verdict(findings: &[Finding]) -> (Level, String) {
        let level = findings.iter().map(|finding| finding.level).max().unwrap();
        (level, findings.iter().map(|finding| finding.says.as_str()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn s8_the_folder_of_files_is_writable_and_has_room() {
        type Change = fn(&mut FolderFacts);
        let cases: [(Change, Level, &str); 6] = [
            (|_| (), Level::Ok, "written and taken away"),
            (|f| f.probed = None, Level::Ok, "first start makes it"),
            (|f| f.probed = Some(Err("Read-only file system".into())), Level::Problem, "Read-only"),
            (|f| f.free = Some(200_000_000), Level::Problem, "all are refused"),
            (|f| f.free = Some(1_000_000_000), Level::Warning, "fewer than ten"),
            (|f| f.same_disk = false, Level::Ok, "copied once more"),
        ];
        for (change, expected, words) in cases {
            let mut facts = facts();
            change(&mut facts);
            let (level, says) = verdict(&folder(&facts));
            assert!(level == expected && says.contains(words), "{words}: {level:?} {says}");
        }
    }

    #[test]
    fn s8_a_folder_is_looked_at_and_nothing_is_left_in_it() {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = data.path().to_owned();
        assert!(look(&config).probed.is_none());
        assert!(!data.path().join("media").exists(), "a look makes nothing");
        std::fs::create_dir_all(data.path().join("media/blobs")).unwrap();
        let facts = look(&config);
        assert_eq!(facts.probed, Some(Ok(())));
        assert!(facts.same_disk && facts.free.is_some());
        config.uploads.enabled = false;
        assert!(check(&config).is_empty());
    }

    #[test]
    fn s8_a_bucket_and_its_clock_are_judged() {
        let s3 = S3Config { bucket: "media".to_owned(), ..S3Config::default() };
        let judge = |found, seconds: Option<u64>| {
            verdict(&bucket(&s3, Examined { found, clocks_apart: seconds.map(Duration::from_secs) }))
        };
        assert_eq!(judge(Ok(()), Some(2)).0, Level::Ok);
        assert_eq!(judge(Ok(()), None).0, Level::Ok);
        let (level, says) = judge(Ok(()), Some(300));
        assert!(level == Level::Warning && says.contains("300 s apart"), "{says}");
        let skewed = StoreError::Failed("putting: this machine's clock and the service's differ".into());
        let (level, says) = judge(Err(skewed), Some(3_600));
        assert!(level == Level::Problem && says.contains("3600 s apart") && says.contains("clock"), "{says}");
        for (error, words) in [
            (StoreError::Failed("putting: there is no such bucket".into()), "force_path_style"),
            (StoreError::Unavailable("putting: no connection, or it broke".into()), "endpoint_url"),
            (StoreError::Full, "quota"),
        ] {
            let findings = bucket(&s3, Examined { found: Err(error), clocks_apart: None });
            assert_eq!(findings[0].level, Level::Problem);
            assert!(findings[0].todo.as_deref().unwrap().contains(words), "{findings:?}");
        }
    }

    #[test]
    fn s8_a_bucket_that_nobody_serves_is_a_problem() {
        // A port that was free a moment ago: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "[uploads.store]\nkind = \"s3\"\n[uploads.store.s3]\nbucket = \"media\"\nendpoint_url = \"http://127.0.0.1:{port}\"\n\
             access_key_id = \"a\"\nsecret_key = \"b\"\nattempts_max = 1\n"
        );
        let config: Config = toml::from_str(&text).unwrap();
        let (level, says) = verdict(&check(&config));
        assert!(level == Level::Problem && says.contains("bucket media at http://127.0.0.1:"), "{says}");
    }
}
