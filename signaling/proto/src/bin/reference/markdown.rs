//! `docs/protocol.md`: the interface for people who write a client, from the same schema as the JSON files.
//!
//! What no type can say (how a socket opens, in which order things go) is written here; the rules of requests and of
//! resuming are taken from the crate's own documentation, so that there is one text of them.

use crate::typescript::snake;
use crate::{Error, HEADER, conferences, examples, groups, messages, push, schema, standard_peers, uploads};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tertulia_signaling_proto::compact::{KEYS, TYPES};
use tertulia_signaling_proto::{CloseCode, Codec, ErrorCode};

const CRATE_DOCS: &str = include_str!("../../lib.rs");

/// An HTTP call; what is in its body is in the types.
pub(crate) struct Call {
    pub(crate) what: &'static str,
    pub(crate) about: &'static str,
    pub(crate) body: Option<&'static str>,
    /// None: the answer has no body.
    pub(crate) answer: Option<&'static str>,
}

const CALLS: [Call; 24] = [
    Call {
        what: "GET /v1/server",
        about: "What a client must know before it signs in. Needs no token.",
        body: None,
        answer: Some("ServerInfo"),
    },
    Call {
        what: "POST /v1/register",
        about: "Ask for a PIN, sent to the phone. 202, and the same answer whether or not the number has an account. Limited per number, per address and in all.",
        body: Some("Register"),
        answer: Some("Registered"),
    },
    Call {
        what: "POST /v1/register/verify",
        about: "The PIN, a few tries. 201: this device is the account's primary one from now on.",
        body: Some("Verify"),
        answer: Some("DeviceAccess"),
    },
    Call {
        what: "DELETE /v1/account",
        about: "Deletes the account and everything of it; running calls end. 204. Needs a token; of an account, its primary device's.",
        body: None,
        answer: None,
    },
    Call {
        what: "POST /v1/devices/link",
        about: "A new device asks to be linked, and shows the code. 201. Needs no token.",
        body: Some("LinkBegin"),
        answer: Some("LinkBegun"),
    },
    Call {
        what: "GET /v1/devices/link/{link_id}",
        about: "Where that stands. `Authorization: Bearer` with the secret.",
        body: None,
        answer: Some("LinkState"),
    },
    Call {
        what: "POST /v1/devices/link/inspect",
        about: "On a device that has the account: which device would be let in by this code. Needs a device token.",
        body: Some("LinkCode"),
        answer: Some("LinkFound"),
    },
    Call {
        what: "POST /v1/devices/link/approve",
        about: "Lets it in. Needs a device token.",
        body: Some("LinkCode"),
        answer: Some("Devices"),
    },
    Call {
        what: "GET /v1/devices",
        about: "The devices of this account; the frame `devices` tells of changes. Needs a device token.",
        body: None,
        answer: Some("Devices"),
    },
    Call {
        what: "DELETE /v1/devices/{device_id}",
        about: "Ends a device's access: any device its own, the primary one every linked one's. 204. Needs a device token.",
        body: None,
        answer: None,
    },
    Call { what: "GET /v1/profile", about: "This user. Needs a token.", body: None, answer: Some("Profile") },
    Call {
        what: "PATCH /v1/profile",
        about: "Changes it. Needs a token.",
        body: Some("ProfilePatch"),
        answer: Some("Profile"),
    },
    Call {
        what: "GET /v1/settings",
        about: "This user's settings; the frame `settings` tells of changes. Needs a token.",
        body: None,
        answer: Some("Settings"),
    },
    Call {
        what: "PATCH /v1/settings",
        about: "Changes them. Needs a token.",
        body: Some("SettingsPatch"),
        answer: Some("Settings"),
    },
    Call {
        what: "GET /v1/users/{user_id}",
        about: "Somebody one has met: who is in a conversation or a group with the asker. 404: nobody, a stranger, or somebody who has \
                blocked the asker. Needs a token.",
        body: None,
        answer: Some("Person"),
    },
    Call {
        what: "POST /v1/contacts/lookup",
        about: "Who has this phone number. Limited per user. Needs a token.",
        body: Some("Lookup"),
        answer: Some("Person"),
    },
    Call {
        what: "GET /v1/blocks",
        about: "Whom this user has blocked. Needs a token.",
        body: None,
        answer: Some("Blocks"),
    },
    Call {
        what: "PUT /v1/blocks/{user_id}",
        about: "Blocks someone: they never ring here, and are not told. 204. Needs a token.",
        body: None,
        answer: None,
    },
    Call { what: "DELETE /v1/blocks/{user_id}", about: "Unblocks them. 204. Needs a token.", body: None, answer: None },
    Call {
        what: "GET /v1/ice-servers",
        about: "STUN and TURN servers, with credentials made now. Needs a token.",
        body: None,
        answer: Some("IceServers"),
    },
    Call {
        what: "POST /v1/demo/sign-in",
        about: "Sign in by name. Only on a demo server.",
        body: Some("DemoSignIn"),
        answer: Some("DemoSignedIn"),
    },
    Call {
        what: "GET /v1/demo/people",
        about: "Everyone who has signed in; the frame `demo.people` tells of changes. Only on a demo server. Needs a token.",
        body: None,
        answer: Some("DemoPeople"),
    },
    Call {
        what: "GET /v1/calls?before=&limit=",
        about: "Your calls, newest first: `limit` of them (1 to 100, 30 if absent), placed before the call `before` \
                (the `next` of the page before). Needs a token.",
        body: None,
        answer: Some("CallHistory"),
    },
    Call {
        what: "GET /v1/calls/{call_id}",
        about: "One of your calls, with everybody who was in it. Those of others are unknown (`unknown_call`). Needs a token.",
        body: None,
        answer: Some("CallRecord"),
    },
];

const FAILED: Call = Call {
    what: "any call that fails",
    about: "The status says the kind, the body what is wrong and what to do (see [Errors](#errors)).",
    body: None,
    answer: Some("WireError"),
};

/// The whole page.
pub(crate) fn render() -> Result<String, Error> {
    let (client, server, http) = (schema::client(), schema::server(), schema::http());
    let mut definitions = BTreeMap::new();
    for schema in [&client, &server, &http] {
        let found = schema["$defs"].as_object().ok_or("a schema without definitions")?;
        definitions.extend(found.iter().map(|(name, definition)| (name.clone(), definition.clone())));
    }
    let page = Page { definitions };
    let mut out = format!("<!-- {HEADER} -->\n\n# The protocol\n\n");
    opening(&mut out)?;
    page.http(&mut out)?;
    let sent: Vec<Value> = examples::client().iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    page.frames(&mut out, "What a client sends", &client, &sent)?;
    let received: Vec<Value> = examples::server().iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    page.frames(&mut out, "What the server sends", &server, &received)?;
    page.types(&mut out)?;
    errors(&mut out)?;
    compact_frames(&mut out)?;
    Ok(out)
}

/// How compact frames differ, and their numbers.
fn compact_frames(out: &mut String) -> Result<(), Error> {
    write!(
        out,
        "## Compact frames\n\n\
         A frame of `{}` is a MessagePack frame in which\n\n\
         - a field's name may be a number: its place, from 0, in the first list below;\n\
         - a `type` may be a number: its place in the second;\n\
         - a UUID (36 characters, lower case) may be `bin 8` with its 16 bytes;\n\
         - 32 lower-case hex digits may be an extension of type 1 with their 16 bytes (`fixext 16`).\n\n\
         Numbers are a positive fixint or `uint 8`. The server writes whatever it can so, and reads both forms. The lists never change:\n\
         names that came later are text.\n\n",
        Codec::Compact.subprotocol()
    )?;
    for names in [&KEYS[..], &TYPES[..]] {
        writeln!(out, "```json\n{}\n```\n", serde_json::to_string(names)?)?;
    }
    Ok(())
}

fn opening(out: &mut String) -> Result<(), Error> {
    let json = Codec::Json.subprotocol();
    let msgpack = Codec::Msgpack.subprotocol();
    let compact = Codec::Compact.subprotocol();
    write!(
        out,
        "Everything is under `/v1`. A token says who is calling: `Authorization: Bearer` in HTTP, `hello.token` on the WebSocket.\n\
         An account's device gets its token from `POST /v1/register/verify` or by being linked; it is good until it is revoked.\n\
         An app with users of its own makes tokens (JWT) with its API key, HS256 or EdDSA: `kid` or `iss` is the key's id, `sub` the user's id,\n\
         `exp` is required, `name` is what others see. `tertulia token --user alice` makes one by hand.\n\n\
         **The socket** is `GET /v1/ws` with the subprotocol `{json}` (text frames), `{msgpack}` (binary frames:\n\
         MessagePack maps with the same field names) or `{compact}` (binary frames of a third of their size: see the end). Frames are objects with a `type`. Unknown fields are ignored, so that\n\
         fields can be added; ignore what you do not know, too, frames of unknown types included. The first frame is `hello`,\n\
         its answer `welcome`. The server sends `ping` every `welcome.heartbeat_s` seconds, answer with `pong`.\n\n"
    )?;
    for rule in ["**Requests.**", "**Resuming.**"] {
        writeln!(out, "{}\n", crate_rule(rule)?)?;
    }
    write!(
        out,
        "**A call.** The caller sends `call.invite`, then `call.connect` with its offer. Every device of the callee gets\n\
         `call.incoming`, answers `call.ringing` and sends `call.connect` at once, so that the connection stands before anyone\n\
         has answered; until `call.accept` nothing is sent over it and no microphone is opened. One offer, one answer, then no\n\
         more SDP: sources are told by the order of the offer's lines (see [Source](#source)), what a receive line carries by\n\
         `call.slots`, what others send by `call.roster`. Only for an ICE restart the client offers again, by `call.connect`\n\
         with the same call id.\n\n\
         The same as JSON Schema: [client-frame.json](schema/client-frame.json), [server-frame.json](schema/server-frame.json),\n\
         [http.json](schema/http.json); as TypeScript: `web/sdk/src/proto.ts`. In the tables `?` marks a field that may be absent.\n\n"
    )?;
    Ok(())
}

/// A paragraph of the crate's documentation, by its beginning.
fn crate_rule(beginning: &str) -> Result<String, Error> {
    let lines: Vec<&str> = CRATE_DOCS.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty());
    let found = paragraphs.map(|lines| lines.join("\n")).find(|text| text.starts_with(beginning));
    found.ok_or_else(|| format!("the crate's documentation says nothing that begins with {beginning}").into())
}

struct Page {
    definitions: BTreeMap<String, Value>,
}

impl Page {
    fn http(&self, out: &mut String) -> Result<(), Error> {
        let examples = examples::http()?;
        writeln!(out, "## HTTP\n")?;
        for Call { what, about, body, answer } in CALLS
            .iter()
            .chain(messages::CALLS)
            .chain(groups::CALLS)
            .chain(conferences::CALLS)
            .chain(push::CALLS)
            .chain(uploads::CALLS)
            .chain(standard_peers::CALLS)
            .chain([&FAILED])
        {
            writeln!(out, "### {what}\n\n{about}\n")?;
            let bodies = body.map(|body| ("Body", body)).into_iter().chain(answer.map(|answer| ("Answer", answer)));
            for (role, name) in bodies {
                writeln!(out, "{role}:\n")?;
                self.fields(out, name)?;
                let example =
                    examples.iter().find(|(of, _)| *of == name).ok_or_else(|| format!("no example of {name}"))?;
                write_example(out, &example.1)?;
            }
        }
        Ok(())
    }

    fn frames(&self, out: &mut String, title: &str, schema: &Value, examples: &[Value]) -> Result<(), Error> {
        writeln!(out, "## {title}\n")?;
        for variant in schema["oneOf"].as_array().ok_or("a direction without frames")? {
            let name = variant["properties"]["type"]["const"].as_str().ok_or("a frame without a type")?;
            let about = variant["description"].as_str().unwrap_or_default();
            writeln!(out, "### `{name}`\n\n{about}\n")?;
            self.fields(out, reference(variant).ok_or("a frame without fields")?)?;
            let example = examples.iter().find(|example| example["type"] == name);
            write_example(out, example.ok_or_else(|| format!("no example of {name}"))?)?;
        }
        Ok(())
    }

    /// Every type that frames and bodies are made of, but those whose fields have been shown with their frame.
    fn types(&self, out: &mut String) -> Result<(), Error> {
        writeln!(out, "## Types\n")?;
        for (name, definition) in &self.definitions {
            if !self.is_used(name) {
                continue;
            }
            writeln!(out, "### {name}\n\n{}\n", self.description(name)?)?;
            if let Some(variants) = definition["oneOf"].as_array() {
                for variant in variants {
                    let about = variant["description"].as_str().unwrap_or_default();
                    let value = match variant["const"].as_str() {
                        Some(value) => format!("\"{value}\""),
                        None => self.object(variant),
                    };
                    writeln!(out, "- `{value}`: {about}")?;
                }
                writeln!(out)?;
            } else if definition["properties"].is_object() {
                self.fields(out, name)?;
            } else {
                writeln!(out, "A {}.\n", self.kind(definition))?;
            }
        }
        Ok(())
    }

    /// Whether a field of some other type is of this type. Error codes have a chapter of their own.
    fn is_used(&self, name: &str) -> bool {
        let wanted = format!("\"#/$defs/{name}\"");
        name != "ErrorCode" && self.definitions.values().any(|definition| definition.to_string().contains(&wanted))
    }

    fn description(&self, name: &str) -> Result<&str, Error> {
        let definition = self.definitions.get(name).ok_or_else(|| format!("there is no type {name}"))?;
        Ok(definition["description"].as_str().unwrap_or_default())
    }

    fn fields(&self, out: &mut String, name: &str) -> Result<(), Error> {
        let definition = self.definitions.get(name).ok_or_else(|| format!("there is no type {name}"))?;
        let none = Map::new();
        let properties = definition["properties"].as_object().unwrap_or(&none);
        if properties.is_empty() {
            return Ok(());
        }
        writeln!(out, "| field | type | |\n|---|---|---|")?;
        let required: Vec<&str> =
            definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let optional = properties.keys().map(String::as_str).filter(|field| !required.contains(field));
        for field in required.iter().copied().chain(optional) {
            let schema = &properties[field];
            let about = schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
            let mark = if required.contains(&field) { "" } else { "?" };
            writeln!(out, "| `{field}`{mark} | {} | {about} |", self.kind(schema))?;
        }
        writeln!(out)?;
        Ok(())
    }

    /// A type in words, with a link where it has its own place.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = reference(schema) {
            let place = if name == "ErrorCode" { "errors".to_owned() } else { name.to_lowercase() };
            return format!("[{name}](#{place})");
        }
        if let Some(options) = schema["anyOf"].as_array() {
            let kinds: Vec<String> = options.iter().filter(|o| o["type"] != "null").map(|o| self.kind(o)).collect();
            return kinds.join(" or ");
        }
        let name = match &schema["type"] {
            Value::Array(names) => names.iter().find_map(|name| name.as_str().filter(|name| *name != "null")),
            name => name.as_str(),
        };
        match name {
            Some("array") => format!("list of {}", self.kind(&schema["items"])),
            Some("string") => "text".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("integer") => "whole number".to_owned(),
            Some(other) => other.to_owned(),
            None => "anything".to_owned(),
        }
    }

    fn object(&self, schema: &Value) -> String {
        let fields = schema["properties"].as_object().into_iter().flatten();
        let fields: Vec<String> =
            fields.map(|(name, field)| format!("\"{name}\": {}", reference(field).unwrap_or("…"))).collect();
        format!("{{{}}}", fields.join(", "))
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// Short ones on one line; the type first, which sorted names would hide in the middle.
fn write_example(out: &mut String, example: &Value) -> Result<(), Error> {
    const LINE_MAX: usize = 110;
    let mut fields = schema::sorted(example.clone());
    let name = fields.as_object_mut().and_then(|fields| fields.remove("type"));
    let (short, long) = (serde_json::to_string(&fields)?, serde_json::to_string_pretty(&fields)?);
    let is_short = short.len() < LINE_MAX;
    let text = if is_short { short } else { long };
    let text = match name {
        None => text,
        Some(name) if text == "{}" => format!("{{\"type\":{name}}}"),
        Some(name) if is_short => text.replacen('{', &format!("{{\"type\":{name},"), 1),
        Some(name) => text.replacen('{', &format!("{{\n  \"type\": {name},"), 1),
    };
    writeln!(out, "```json\n{text}\n```\n")?;
    Ok(())
}

fn errors(out: &mut String) -> Result<(), Error> {
    writeln!(
        out,
        "## Errors\n\nThe code is for programs and never changes; the sentence is for people. The class says what to do.\n"
    )?;
    writeln!(out, "| code | class | sentence |\n|---|---|---|")?;
    for code in ErrorCode::ALL {
        let class = snake(&format!("{:?}", code.class()));
        writeln!(out, "| `{}` | `{class}` | {} |", snake(&format!("{code:?}")), code.sentence())?;
    }
    writeln!(out, "\n## Close codes\n\n4000 to 4499: connect again and resume. 4500 to 4999: do not.\n")?;
    writeln!(out, "| code | name | reason |\n|---|---|---|")?;
    for code in CloseCode::ALL {
        writeln!(out, "| {} | `{}` | {} |", code.code(), snake(&format!("{code:?}")), code.reason())?;
    }
    Ok(())
}
