//! Says which FFmpeg this is built with: `src/av/compat.rs` asks.

/// Each means: this one or newer.
const VERSIONS: [&str; 3] = ["ffmpeg_6_0", "ffmpeg_6_1", "ffmpeg_7_0"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for version in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({version})");
        // The bindings' own build script has found it in the headers.
        if std::env::var(format!("DEP_FFMPEG_{}", version.to_uppercase())).is_ok_and(|is| is == "true") {
            println!("cargo::rustc-cfg={version}");
        }
    }
}
