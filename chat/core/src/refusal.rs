//! Why the relay does not do what was asked.

/// A refusal: the asker's fault or a limit, never the relay's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such conversation, or not theirs: the same answer for both.
    #[error("there is no such conversation")]
    NoConversation,
    /// A member may not do this.
    #[error("only those who may can do this")]
    NotAllowed,
    /// The body is too long.
    #[error("a message has at most {limit} bytes, this has {actual}")]
    BodyTooLong {
        /// Bytes at most.
        limit: usize,
        /// Bytes there are.
        actual: usize,
    },
    /// The user has as many mailboxes as one may have.
    #[error("one user has at most {limit} devices")]
    Devices {
        /// How many that is.
        limit: usize,
    },
    /// One of the two is in as many conversations as one may be in.
    #[error("one user is in at most {limit} conversations")]
    Conversations {
        /// How many that is.
        limit: usize,
    },
    /// They may not be added to a group: why is their own affair.
    #[error("this person may not be added")]
    NotAddable,
    /// They are not in the group.
    #[error("this person is not in the group")]
    NoMember,
    /// The group has as many members as one may have, or as many wait for what was before they left.
    #[error("a group has at most {limit} members")]
    GroupFull {
        /// How many that is.
        limit: usize,
    },
    /// No invitation has this token, or none any longer.
    #[error("this invitation is not valid")]
    NoInvite,
    /// The group is not any longer the one that the message was for: look again who is in it.
    #[error("the group has changed meanwhile")]
    Changed,
    /// The same client id came with another body, or for another conversation.
    #[error("this client id was used for another message")]
    ClientIdReused,
    /// Above what was handed out to this device, or below nothing at all.
    #[error("that has not been handed out to this device")]
    NotHandedOut,
    /// The device's mailbox is gone: it was unlinked, or its user left.
    #[error("this device has no mailbox any longer")]
    DeviceGone,
}
