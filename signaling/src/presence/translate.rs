//! Between the wire, the presence of the core, and what the directory keeps of it.

use tertulia_chat_core::presence as core;
use tertulia_common::UserId;
use tertulia_directory as directory;
use tertulia_signaling_proto as wire;

pub(crate) fn audience(audience: directory::Audience) -> wire::Audience {
    match audience {
        directory::Audience::Everyone => wire::Audience::Everyone,
        directory::Audience::Contacts => wire::Audience::Contacts,
        directory::Audience::Nobody => wire::Audience::Nobody,
    }
}

pub(crate) fn audience_from_wire(audience: wire::Audience) -> directory::Audience {
    match audience {
        wire::Audience::Everyone => directory::Audience::Everyone,
        wire::Audience::Contacts => directory::Audience::Contacts,
        wire::Audience::Nobody => directory::Audience::Nobody,
    }
}

fn audience_to_core(audience: directory::Audience) -> core::Audience {
    match audience {
        directory::Audience::Everyone => core::Audience::Everyone,
        directory::Audience::Contacts => core::Audience::Contacts,
        directory::Audience::Nobody => core::Audience::Nobody,
    }
}

pub(super) fn privacy(privacy: directory::Privacy) -> core::Privacy {
    let directory::Privacy { online, last_seen } = privacy;
    core::Privacy { online: audience_to_core(online), last_seen: audience_to_core(last_seen) }
}

pub(super) fn facts(facts: directory::PresenceFacts) -> core::Facts {
    let directory::PresenceFacts { privacy: shown, last_seen, contact, blocks, blocked } = facts;
    core::Facts { privacy: privacy(shown), last_seen, contact, blocks, blocked }
}

pub(super) fn frame(people: &[(UserId, core::View)]) -> wire::ServerFrame {
    let person = |(user, view): &(UserId, core::View)| wire::PersonPresence {
        user: user.clone(),
        online: view.online,
        last_seen: view.last_seen,
    };
    wire::ServerFrame::Presence(wire::Presence { people: people.iter().map(person).collect() })
}
