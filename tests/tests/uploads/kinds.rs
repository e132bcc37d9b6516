//! Pictures without their place (d7), voice notes with their shape (d8), sealed files that nobody looks into (d9).

use crate::disk::blobs;
use anyhow::{Context, ensure};
use tertulia_tests::media_files::{PLACE_SECONDS, codecs, noise, phone_film, picture, probed, voice, with_place};
use tertulia_tests::{Person, Server};

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn d7_where_it_was_taken_is_in_nothing_that_is_kept() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let jpeg = with_place(&picture("jpg", 640, 480)?)?;
    let film = phone_film()?;
    let secrets = [&b"40.4168"[..], b"Exif", b"Alcala", &PLACE_SECONDS.to_be_bytes(), &PLACE_SECONDS.to_le_bytes()];
    ensure!(
        holds(&jpeg, secrets[1]) && holds(&jpeg, secrets[3]) && holds(&film, secrets[0]) && holds(&film, secrets[2])
    );
    let sent = alice.upload("", jpeg.clone()).await?;
    ensure!(sent["width"] == 480 && sent["height"] == 640, "it was on its side: {sent}");
    let played = alice.upload("", film).await?;
    for made in [&sent, &played] {
        let mut served = vec![alice.fetch(made).await?];
        for query in ["?format=jpeg", "?format=webp"] {
            served.push(alice.get(made, &format!("/thumbnail{query}")).await?.bytes().await?.to_vec());
        }
        for secret in secrets {
            ensure!(served.iter().all(|bytes| !holds(bytes, secret)), "{:?}", String::from_utf8_lossy(secret));
        }
    }
    let tags = probed(&alice.fetch(&played).await?, "format_tags:stream_tags")?;
    ensure!(!tags.contains("location") && !tags.contains("40.4"), "{tags}");
    // Nor is it anywhere else on the disk.
    let data = std::process::Command::new("grep").args(["-raFl", "40.4168"]).arg(server.data_dir()).output()?;
    ensure!(data.stdout.is_empty(), "{}", String::from_utf8_lossy(&data.stdout));
    // Sent as a document it is untouched: that is what its sender asked for.
    let document = alice.upload("?as=document", jpeg.clone()).await?;
    ensure!(alice.fetch(&document).await? == jpeg);
    Ok(())
}

#[tokio::test]
async fn d8_a_voice_note_is_opus_with_its_shape() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let alice = Person::new(&server, "alice");
    let made = alice.upload("?as=voice&file_name=note.m4a", voice()?).await?;
    ensure!(made["class"] == "voice" && made["mime"] == "audio/ogg", "{made}");
    ensure!(made["duration_ms"].as_u64().is_some_and(|ms| (1_900..2_150).contains(&ms)), "{made}");
    let points: Vec<u64> = serde_json::from_value(made["waveform"].clone())?;
    ensure!(points.len() == 64 && points.iter().all(|point| *point <= 100), "{points:?}");
    let (loud, silent) = (&points[4..28], &points[36..60]);
    ensure!(loud.iter().min() > Some(&30) && silent.iter().max() < Some(&10), "{points:?}");
    let served = alice.fetch(&made).await?;
    ensure!(served.starts_with(b"OggS") && codecs(&served)?.starts_with("opus"), "{}", codecs(&served)?);
    // Sent as what it is, it is music. A picture is no voice.
    let sound = alice.upload("", voice()?).await?;
    ensure!(sound["class"] == "audio" && sound["mime"] == "audio/mp4", "{sound}");
    let (_, sent) = alice.send("?as=voice", picture("png", 64, 48)?).await?;
    let refused = if sent["error"].is_null() { alice.made(&sent).await? } else { sent };
    ensure!(
        ["media_unsupported", "media_empty"].contains(&refused["error"]["code"].as_str().unwrap_or("")),
        "{refused}"
    );
    Ok(())
}

#[tokio::test]
async fn d9_a_sealed_file_is_not_looked_into() -> anyhow::Result<()> {
    let server = Server::builder().more("[uploads.limits]\nimage_bytes_max = 1000\nvideo_bytes_max = 1000\naudio_bytes_max = 1000\nimage_pixels_max = 10\nfile_bytes_max = 200000").start().await?;
    let alice = Person::new(&server, "alice");
    for bytes in [picture("jpg", 640, 480)?, phone_film()?, noise(1, 200_000), b"PK\x03\x04".to_vec()] {
        let made = alice.upload("?as=sealed&file_name=x.jpg", bytes.clone()).await?;
        ensure!(made["class"] == "sealed" && made["mime"] == "application/octet-stream", "{made}");
        for field in ["preview", "thumbhash", "width", "duration_ms", "waveform"] {
            ensure!(made[field].is_null(), "{field}: {made}");
        }
        ensure!(made["has_thumbnail"] == false && alice.get(&made, "/thumbnail").await?.status() == 404);
        let served = alice.get(&made, "").await?;
        ensure!(served.headers()["content-disposition"].to_str()?.starts_with("attachment"), "{served:?}");
        ensure!(served.headers()["content-type"] == "application/octet-stream", "{served:?}");
        ensure!(served.bytes().await? == bytes, "it was touched");
    }
    let (status, refused) = alice.send("?as=sealed", noise(2, 200_001)).await?;
    ensure!(status == 413 && refused["error"]["limit"] == 200_000, "{status}: {refused}");
    let opened = server.metrics().await?.sum("tertulia_media_worker_jobs", &[]);
    ensure!(opened == 0.0 && blobs(&server).len() == 4, "a worker has opened {opened}");
    let size = std::fs::metadata(server.data_dir().join("media")).context("media")?;
    ensure!(size.is_dir());
    Ok(())
}
