//! The libraries that open and make media: the system's, in the versions that are there, and whether they can make what we send
//! and open what phones do.

use super::finding::Finding;
use crate::config::Config;
use tertulia_media_worker::{av, image};

const CHECK: &str = "libraries";

pub(super) fn check(config: &Config) -> Option<Finding> {
    let versions: Vec<_> = av::versions().into_iter().chain(image::versions()).collect();
    config.uploads.enabled.then(|| finding(&versions, &av::missing_encoders(), image::opens_heic()))
}

fn finding(versions: &[(&'static str, String)], missing: &[&'static str], opens_heic: bool) -> Finding {
    let text: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let says = text.join(", ");
    if missing.is_empty() && opens_heic {
        return Finding::ok(CHECK, says);
    }
    if missing.is_empty() {
        return Finding::warning(
            CHECK,
            format!("{says}: libheif can't decode HEVC, so that photographs as iPhones take them (HEIC) are refused"),
            "install libheif's plugin for it, `apt-get install libheif-plugin-libde265` on Debian 13, Ubuntu 24.04 and later, and restart \
             (elsewhere it is called libheif-freeworld or the like)",
        );
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
        let good = finding(&versions, &[], true);
        assert_eq!((good.level, good.says.as_str()), (Level::Ok, "libavcodec 59.37.100, libheif 1.15.1"));
        let bad = finding(&versions, &["libx264"], false);
        assert!(bad.level == Level::Problem && bad.says.contains("without libx264") && bad.todo.is_some());
    }

    #[test]
    fn s8_photographs_of_iphones_that_cant_be_opened_are_a_warning_that_says_what_to_install() {
        let versions = [("libheif", "1.19.8".to_owned())];
        let found = finding(&versions, &[], false);
        assert!(found.level == Level::Warning && found.says.contains("HEIC"), "{}", found.says);
        assert!(found.todo.unwrap().contains("libheif-plugin-libde265"));
        assert_eq!(finding(&versions, &[], true).level, Level::Ok);
    }

    #[test]
    fn s8_this_machines_libraries_are_found() {
        let found = check(&Config::default()).unwrap();
        assert_eq!(found.level, Level::Ok, "{}", found.says);
        assert!(found.says.contains("libavcodec ") && found.says.contains("libheif "), "{}", found.says);
    }
}
