//! The libraries that open and make media: the system's, in the versions that are there, and whether they can make what we send.

use super::finding::Finding;
use crate::config::Config;
use tertulia_media_worker::{av, image};

const CHECK: &str = "libraries";

pub(super) fn check(config: &Config) -> Option<Finding> {
    let versions: Vec<_> = av::versions().into_iter().chain(image::versions()).collect();
    config.uploads.enabled.then(|| finding(&versions, &av::missing_encoders()))
}

fn finding(versions: &[(&'static str, String)], missing: &[&'static str]) -> Finding {
    let text: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let says = text.join(", ");
    if missing.is_empty() {
        return Finding::ok(CHECK, says);
    }
    Finding::problem(
        CHECK,
        format!("{says}: FFmpeg was built without {}, so that videos or sounds can't be made", missing.join(", ")),
        "install the distribution's own FFmpeg libraries with these encoders (Debian and Ubuntu have them; some others have them \
         in a repository of their own)",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn s8_versions_are_told_and_what_lacks_an_encoder_is_a_problem() {
        let versions = [("libavcodec", "59.37.100".to_owned()), ("libheif", "1.15.1".to_owned())];
        let good = finding(&versions, &[]);
        assert_eq!((good.level, good.says.as_str()), (Level::Ok, "libavcodec 59.37.100, libheif 1.15.1"));
        let bad = finding(&versions, &["libx264"]);
        assert!(bad.level == Level::Problem && bad.says.contains("without libx264") && bad.todo.is_some());
    }

    #[test]
    fn s8_this_machines_libraries_are_found() {
        let found = check(&Config::default()).unwrap();
        assert_eq!(found.level, Level::Ok, "{}", found.says);
        assert!(found.says.contains("libavcodec ") && found.says.contains("libheif "), "{}", found.says);
    }
}
