//! The generated reference is that of today's types, and its examples are frames.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use tertulia_signaling_proto::Codec;

fn docs(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../../docs/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn frame_names(schema: &str) -> BTreeSet<String> {
    let schema: Value = serde_json::from_str(&docs(schema)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap().iter();
    variants.map(|variant| variant["properties"]["type"]["const"].as_str().unwrap().to_owned()).collect()
}

/// The examples of a chapter.
fn examples(chapter: &str) -> Vec<Value> {
    let page = docs("protocol.md");
    let chapter = page.split("\n## ").find(|text| text.starts_with(chapter)).unwrap();
    let blocks = chapter.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

fn names(examples: &[Value]) -> BTreeSet<String> {
    examples.iter().map(|example| example["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_generated_files_are_up_to_date() {
    let output = Command::new(env!("CARGO_BIN_EXE_reference")).arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_client_frame_has_an_example_that_both_codecs_read_and_write() {
    let examples = examples("What a client sends");
    assert_eq!(names(&examples), frame_names("schema/client-frame.json"));
    for example in examples {
        let frame = Codec::Json.decode_client(example.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&Codec::Json.encode_client(&frame)).unwrap(), example);
        assert_eq!(Codec::Msgpack.decode_client(&Codec::Msgpack.encode_client(&frame)).unwrap(), frame);
    }
}

#[test]
fn every_server_frame_has_an_example_that_both_codecs_read_and_write() {
    let examples = examples("What the server sends");
    assert_eq!(names(&examples), frame_names("schema/server-frame.json"));
    for example in examples {
        let frame = Codec::Json.decode_server(example.to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&Codec::Json.encode_server(&frame)).unwrap(), example);
        assert_eq!(Codec::Msgpack.decode_server(&Codec::Msgpack.encode_server(&frame)).unwrap(), frame);
    }
}
