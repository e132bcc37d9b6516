//! `[uploads.store]`: what may be written there, and what is never shown of it.

use crate::s3::Server;
use crate::{Home, noise, read};
use tertulia_media_pipeline::store::StoreConfig;

const KEYS: &str = "access_key_id = \"AK\"\nsecret_key = \"hush\"\n";

fn parse(text: &str) -> Result<StoreConfig, String> {
    let config: StoreConfig = toml::from_str(text).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

fn s3(options: &str) -> Result<StoreConfig, String> {
    parse(&format!("kind = \"s3\"\n[s3]\n{options}"))
}

#[test]
fn d5_a_folder_is_what_there_is_unless_it_is_set() {
    let config = parse("").unwrap();
    assert_eq!(config.folder("/srv/tertulia".as_ref()).to_str(), Some("/srv/tertulia/media/blobs"));
    assert_eq!(parse("folder = \"/big\"").unwrap().folder("/srv".as_ref()).to_str(), Some("/big"));
}

#[test]
fn d5_options_that_are_unknown_or_do_not_go_together_are_errors() {
    for (text, named) in [
        ("knid = \"s3\"", "knid"),
        ("kind = \"tape\"", "tape"),
        ("kind = \"s3\"", "options are missing"),
        ("kind = \"s3\"\nfolder = \"/big\"\n[s3]\nbucket = \"b\"", "folder"),
        ("[s3]\nbucket = \"b\"", "kind is folder"),
        ("kind = \"s3\"\n[s3]\nbukcet = \"b\"", "bukcet"),
        ("kind = \"s3\"\n[s3]\nregion = \"r\"", "bucket"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(named), "{text}: {error}");
    }
    for (options, named) in [
        ("access_key_id = \"AK\"", "go together"),
        ("secret_key = \"hush\"", "go together"),
        ("access_key_id = \"AK\"\nsecret_key = \"hush\"\nsecret_key_file = \"/f\"", "either"),
        ("prefix = \"/media\"", "prefix"),
        ("prefix = \"a?b\"", "prefix"),
        ("region = \"\"", "region"),
        ("attempts_max = 0", "attempts_max"),
        ("request_timeout_ms = 0", "timeout"),
        ("endpoint_url = \"http://s3.example.org\"", "plain_http"),
        ("endpoint_url = \"ftp://s3.example.org\"", "endpoint_url"),
        ("endpoint_url = \"s3.example.org\"", "endpoint_url"),
        ("endpoint_url = \"https://s3.example.org/bucket\"", "endpoint_url"),
        ("endpoint_url = \"https://user:word@s3.example.org\"", "endpoint_url"),
    ] {
        let error = s3(&format!("bucket = \"b\"\n{options}")).unwrap_err();
        assert!(error.contains(named), "{options}: {error}");
    }
    for fine in [
        "",
        "endpoint_url = \"https://s3.example.org:8443/\"",
        "endpoint_url = \"http://127.0.0.1:8014\"",
        "endpoint_url = \"http://[::1]:8014\"",
        "endpoint_url = \"http://localhost:8014\"",
        "endpoint_url = \"http://s3.example.org\"\nplain_http = true",
        "prefix = \"one/two-three_4.5/\"",
    ] {
        s3(&format!("bucket = \"b\"\n{KEYS}{fine}")).unwrap();
    }
}

#[test]
fn d5_a_secret_is_not_shown_with_the_configuration() {
    let config = s3(&format!("bucket = \"b\"\n{KEYS}")).unwrap();
    let shown = format!("{config:?}\n{}", toml::to_string(&config).unwrap());
    assert!(shown.contains("(secret)") && !shown.contains("hush"), "{shown}");
}

#[test]
fn d5_a_file_of_the_bucket_that_can_not_be_used_is_named() {
    let home = Home::new();
    let file = home.path().join("file");
    for (content, options, named) in [
        (None, "access_key_id = \"AK\"\nsecret_key_file = \"FILE\"", "secret_key_file"),
        (Some(&b"\n"[..]), "access_key_id = \"AK\"\nsecret_key_file = \"FILE\"", "empty"),
        (Some(&b"\xff\xfe"[..]), "access_key_id = \"AK\"\nsecret_key_file = \"FILE\"", "secret_key_file"),
        (None, "access_key_id = \"AK\"\nsecret_key = \"hush\"\nca_file = \"FILE\"", "ca_file"),
        (Some(&b"hello"[..]), "access_key_id = \"AK\"\nsecret_key = \"hush\"\nca_file = \"FILE\"", "no certificate"),
        (
            Some(&b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"[..]),
            "access_key_id = \"AK\"\nsecret_key = \"hush\"\nca_file = \"FILE\"",
            "ca_file",
        ),
    ] {
        drop(std::fs::remove_file(&file));
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let config = s3(&format!("bucket = \"b\"\n{}", options.replace("FILE", file.to_str().unwrap()))).unwrap();
        let Err(error) = config.open(home.path()) else { panic!("{options}: opened") };
        assert!(error.to_string().contains(named), "{options}: {error}");
    }
}

#[tokio::test]
async fn d5_either_store_is_opened_as_it_is_configured() {
    let home = Home::new();
    let server = Server::start().await;
    let secret = home.path().join("secret");
    std::fs::write(&secret, format!("{}\n", crate::s3::SECRET_KEY)).unwrap();
    let bucket = format!(
        "kind = \"s3\"\n[s3]\nbucket = \"{}\"\nendpoint_url = \"{}\"\nforce_path_style = true\naccess_key_id = \"{}\"\n\
         secret_key_file = \"{}\"",
        crate::s3::BUCKET,
        server.config().endpoint_url.unwrap(),
        crate::s3::ACCESS_KEY,
        secret.display()
    );
    for text in ["", &bucket] {
        let store = parse(text).unwrap().open(home.path()).unwrap();
        let key = home.put(&store, &noise(1, 1_000)).await.unwrap();
        assert!(read(&store, key, None).await.unwrap() == noise(1, 1_000));
    }
    assert!(home.path().join("media/blobs").is_dir());
}
