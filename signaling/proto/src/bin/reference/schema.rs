//! `docs/schema/*.json`: JSON Schema (2020-12) of the frames of each direction and of the HTTP bodies.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use tertulia_signaling_proto::{
    Blocks, CallHistory, CallLink, CallLinkNew, CallLinks, ClientFrame, DemoPeople, DemoSignIn, DemoSignedIn,
    DeviceAccess, Devices, Group, GroupInvite, GroupMemberPut, GroupNew, GroupPatch, Groups, IceServers, LinkBegin,
    LinkBegun, LinkCode, LinkFound, LinkState, Lookup, Media, MediaChallenge, MediaClaim, MediaLease, MediaLink,
    MediaLinkRequest, MediaPage, MediaProof, MediaShare, MediaShared, MessagePost, MessageSent, Messages, Person,
    Profile, ProfilePatch, PushState, PushSubscription, Register, Registered, ServerFrame, ServerInfo, Settings,
    SettingsPatch, Verify, WireError,
};

/// What clients send, as the server reads it.
pub(crate) fn client() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    sorted(settings.into_generator().into_root_schema_for::<ClientFrame>().to_value())
}

/// What the server sends, as it writes it.
pub(crate) fn server() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    sorted(settings.into_generator().into_root_schema_for::<ServerFrame>().to_value())
}

/// The HTTP bodies, each under its name in `$defs`.
pub(crate) fn http() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    fn add<T: JsonSchema>(generator: &mut schemars::SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    add::<DemoSignIn>(&mut generator);
    add::<DemoSignedIn>(&mut generator);
    add::<DemoPeople>(&mut generator);
    add::<CallHistory>(&mut generator);
    add::<ServerInfo>(&mut generator);
    add::<IceServers>(&mut generator);
    add::<Register>(&mut generator);
    add::<Registered>(&mut generator);
    add::<Verify>(&mut generator);
    add::<DeviceAccess>(&mut generator);
    add::<LinkBegin>(&mut generator);
    add::<LinkBegun>(&mut generator);
    add::<LinkState>(&mut generator);
    add::<LinkCode>(&mut generator);
    add::<LinkFound>(&mut generator);
    add::<Devices>(&mut generator);
    add::<Settings>(&mut generator);
    add::<SettingsPatch>(&mut generator);
    add::<Profile>(&mut generator);
    add::<ProfilePatch>(&mut generator);
    add::<Lookup>(&mut generator);
    add::<Blocks>(&mut generator);
    add::<Group>(&mut generator);
    add::<Groups>(&mut generator);
    add::<MessagePost>(&mut generator);
    add::<MessageSent>(&mut generator);
    add::<Messages>(&mut generator);
    add::<PushState>(&mut generator);
    add::<PushSubscription>(&mut generator);
    add::<GroupNew>(&mut generator);
    add::<GroupPatch>(&mut generator);
    add::<GroupMemberPut>(&mut generator);
    add::<GroupInvite>(&mut generator);
    add::<CallLinkNew>(&mut generator);
    add::<CallLink>(&mut generator);
    add::<CallLinks>(&mut generator);
    add::<Media>(&mut generator);
    add::<MediaPage>(&mut generator);
    add::<MediaClaim>(&mut generator);
    add::<MediaChallenge>(&mut generator);
    add::<MediaProof>(&mut generator);
    add::<MediaShare>(&mut generator);
    add::<MediaShared>(&mut generator);
    add::<MediaLinkRequest>(&mut generator);
    add::<MediaLink>(&mut generator);
    add::<MediaLease>(&mut generator);
    add::<WireError>(&mut generator);
    add::<Person>(&mut generator);
    let mut root = Map::new();
    root.insert("$schema".to_owned(), schemars::consts::meta_schemas::DRAFT2020_12.into());
    root.insert("title".to_owned(), "HttpBodies".into());
    root.insert("$defs".to_owned(), Value::Object(generator.take_definitions(true)));
    sorted(Value::Object(root))
}

/// The file's text.
pub(crate) fn text(schema: &Value) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}

/// Names in order, whatever map a build's features give: the files must not depend on who else is compiled.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}
