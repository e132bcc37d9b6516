//! `web/sdk/src/proto.ts`: every type of the wire as TypeScript, with the constants a client needs at run time.

use crate::HEADER;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tertulia_signaling_proto::{
    Blocks, CallHistory, CallLinkNew, CallLinks, ClientFrame, CloseCode, Codec, DemoPeople, DemoSignIn, DemoSignedIn,
    DeviceAccess, Devices, ErrorCode, Group, GroupInvite, GroupMemberPut, GroupNew, GroupPatch, Groups, IceServers,
    LinkBegin, LinkBegun, LinkCode, LinkFound, LinkState, Lookup, Media, MediaChallenge, MediaClaim, MediaLease,
    MediaLink, MediaLinkRequest, MediaPage, MediaProof, MediaShare, MediaShared, MessagePost, MessageSent, Messages,
    Profile, ProfilePatch, PushState, PushSubscription, Register, Registered, ServerFrame, ServerInfo, Settings,
    SettingsPatch, Verify, WireError,
};
use ts_rs::{Config, TS, TypeVisitor};

/// Collects declarations by name, so that the file does not depend on the order of visits.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without an output path are TypeScript's own: string, number, arrays.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        self.by_name.insert(name, tidy(&format!("{docs}export {}", T::decl(&self.config))));
        T::visit_dependencies(self);
    }
}

/// The whole file.
pub(crate) fn render() -> Result<String, std::fmt::Error> {
    let mut types = Declarations { config: Config::new(), by_name: BTreeMap::new() };
    types.visit::<ClientFrame>();
    types.visit::<ServerFrame>();
    types.visit::<DemoSignIn>();
    types.visit::<DemoSignedIn>();
    types.visit::<DemoPeople>();
    types.visit::<CallHistory>();
    types.visit::<ServerInfo>();
    types.visit::<IceServers>();
    types.visit::<Register>();
    types.visit::<Registered>();
    types.visit::<Verify>();
    types.visit::<DeviceAccess>();
    types.visit::<LinkBegin>();
    types.visit::<LinkBegun>();
    types.visit::<LinkState>();
    types.visit::<LinkCode>();
    types.visit::<LinkFound>();
    types.visit::<Devices>();
    types.visit::<Settings>();
    types.visit::<SettingsPatch>();
    types.visit::<Profile>();
    types.visit::<ProfilePatch>();
    types.visit::<Lookup>();
    types.visit::<Blocks>();
    types.visit::<Group>();
    types.visit::<Groups>();
    types.visit::<MessagePost>();
    types.visit::<MessageSent>();
    types.visit::<Messages>();
    types.visit::<PushState>();
    types.visit::<PushSubscription>();
    types.visit::<GroupNew>();
    types.visit::<GroupPatch>();
    types.visit::<GroupMemberPut>();
    types.visit::<GroupInvite>();
    types.visit::<CallLinkNew>();
    types.visit::<CallLinks>();
    types.visit::<Media>();
    types.visit::<MediaPage>();
    types.visit::<MediaClaim>();
    types.visit::<MediaChallenge>();
    types.visit::<MediaProof>();
    types.visit::<MediaShare>();
    types.visit::<MediaShared>();
    types.visit::<MediaLinkRequest>();
    types.visit::<MediaLink>();
    types.visit::<MediaLease>();
    types.visit::<WireError>();

    let mut out = format!("// {HEADER}\n// tidy: long, because it is generated, and one import for everything.\n");
    for declaration in types.by_name.values() {
        write!(out, "\n{}\n", declaration.trim_end())?;
    }
    constants(&mut out)?;
    Ok(out)
}

fn constants(out: &mut String) -> std::fmt::Result {
    writeln!(out, "\n/** The WebSocket subprotocols: text frames, binary frames. */")?;
    writeln!(out, "export const SUBPROTOCOLS = {{")?;
    for codec in Codec::ALL {
        let name = match codec {
            Codec::Json => "json",
            Codec::Msgpack => "msgpack",
            Codec::Compact => "compact",
        };
        writeln!(out, "  {name}: {:?},", codec.subprotocol())?;
    }
    writeln!(out, "}} as const;")?;

    writeln!(
        out,
        "\n/** Why the server closes a socket. 4000 to 4499: connect again and resume. 4500 to 4999: do not. */"
    )?;
    writeln!(out, "export const CLOSE_CODES = {{")?;
    for code in CloseCode::ALL {
        writeln!(out, "  /** {} */\n  {}: {},", code.reason(), snake(&format!("{code:?}")), code.code())?;
    }
    writeln!(out, "}} as const;")?;

    writeln!(out, "\n/** What a client can do about each error. */")?;
    writeln!(out, "export const ERROR_CLASSES: Record<ErrorCode, ErrorClass> = {{")?;
    for code in ErrorCode::ALL {
        writeln!(out, "  {}: \"{}\",", snake(&format!("{code:?}")), snake(&format!("{:?}", code.class())))?;
    }
    writeln!(out, "}};")?;

    writeln!(out, "\n/** A sentence for people about each error. */")?;
    writeln!(out, "export const ERROR_SENTENCES: Record<ErrorCode, string> = {{")?;
    for code in ErrorCode::ALL {
        writeln!(out, "  {}: {:?},", snake(&format!("{code:?}")), code.sentence())?;
    }
    writeln!(out, "}};")
}

/// The declaration as a person would write it: short comments on one line, fields indented, one variant a line.
fn tidy(declaration: &str) -> String {
    let mut out = String::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut depth = 0;
    for line in declaration.lines().map(str::trim_end) {
        let indent = "  ".repeat(depth);
        match line {
            "/**" => comment.clear(),
            " */" => match comment.as_slice() {
                [one] => out.push_str(&format!("{indent}/** {one} */\n")),
                many => {
                    let body: String =
                        many.iter().map(|l| format!("{indent} * {l}").trim_end().to_owned() + "\n").collect();
                    out.push_str(&format!("{indent}/**\n{body}{indent} */\n"));
                }
            },
            _ if line.starts_with(" *") => comment.push(line[2..].trim()),
            _ if line.ends_with('{') => {
                out.push_str(&format!("{indent}{line}\n"));
                depth += 1;
            }
            _ if line.ends_with(", };") => {
                depth = depth.saturating_sub(1);
                out.push_str(&format!("{indent}{};\n{}}};\n", &line[..line.len() - 4], "  ".repeat(depth)));
            }
            _ if depth > 0 => out.push_str(&format!("{indent}{};\n", line.trim_end_matches(','))),
            _ => out.push_str(&format!("{}\n", variants(line))),
        }
    }
    out
}

/// A union of more than a few variants gets a line for each.
fn variants(line: &str) -> String {
    let line = line.replace("{ \"type\": ", "{ type: ");
    if line.len() <= 120 {
        return line;
    }
    match line.split_once(" = ") {
        Some((name, union)) => format!("{name} =\n  | {}", union.replace(" | ", "\n  | ")),
        None => line,
    }
}

/// `SlowReader` as `slow_reader`, the way serde writes it.
pub(crate) fn snake(camel: &str) -> String {
    let mut out = String::new();
    for (i, c) in camel.char_indices() {
        if c.is_ascii_uppercase() && i > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
