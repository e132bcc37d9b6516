//! What a server has on its disk.

use std::path::Path;
use tertulia_tests::Server;
use tertulia_tests::wait::eventually;

fn files_in(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(kind) if kind.is_dir() => found.extend(files_in(&entry.path())),
            Ok(kind) => found.push((entry.file_name().to_string_lossy().into_owned(), kind.len())),
            Err(_) => {} // gone meanwhile
        }
    }
    found
}

/// Files on their way: names and bytes.
pub(crate) fn incoming(server: &Server) -> Vec<(String, u64)> {
    files_in(&server.data_dir().join("media/incoming"))
}

/// Files that are kept for good.
pub(crate) fn blobs(server: &Server) -> Vec<(String, u64)> {
    files_in(&server.data_dir().join("media/blobs"))
}

/// Waits until nothing is on its way.
pub(crate) async fn nothing_incoming(server: &Server) -> anyhow::Result<()> {
    eventually("nothing is on its way", || async { incoming(server).is_empty().then_some(()) }).await
}

/// Waits until so many files are kept.
pub(crate) async fn blobs_are(server: &Server, count: usize) -> anyhow::Result<()> {
    eventually(&format!("{count} blobs"), || async { (blobs(server).len() == count).then_some(()) }).await
}
