// Generated from signaling/proto: cargo run -p tertulia-signaling-proto --bin reference. Do not edit.
// tidy: long, because it is generated, and one import for everything.

/** How much of the session a client has received. */
export type Ack = {
  /** Frames received in this session: `welcome`, `ping`, `presence` and `typing` are not counted. */
  received: number;
};

/** To whom somebody shows something of themselves. */
export type Audience = "everyone" | "contacts" | "nobody";

/** `GET /v1/blocks`: whom this user has blocked. They never ring here, and are not told. */
export type Blocks = {
  /** The newest first. */
  blocked: Array<Person>;
};

/** Have more people ring. A call of two becomes a group call by it. */
export type CallAdd = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Whom: at most 32 at once. Of the call of a group, members only. */
  users: Array<UserId>;
};

/** Let somebody in who waits, or turn them away: hosts who are in the call may. */
export type CallAdmit = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Whom. */
  user_id: UserId;
  /** In; or away: then they can't ask again for five minutes. */
  admit: boolean;
};

/** Connect the media of a call. */
export type CallConnect = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** An SDP offer (RFC 9429): lines that send (microphone, camera, screen) and lines that receive (slots). */
  sdp: string;
};

/** Do not answer a call. */
export type CallDecline = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Why. */
  reason: DeclineReason;
};

/** A running call of this user on another device of theirs; `call.join` takes it over. */
export type CallElsewhere = {
  /** Which call. */
  call_id: CallId;
  /** The other side; of a group call, who started it. */
  peer: Person;
  /** What it started as. */
  media: MediaKind;
  /** When it was answered. */
  answered_at: Timestamp;
  /** The device that is in it. */
  device_id: DeviceId;
  /** That device's name, where it has one. */
  device_name?: string;
  /** It is a group call: `call.roster` says who is in, and it goes on when one leaves. */
  conference?: boolean;
  /** The group that it is of. */
  group?: CallGroup;
};

/** A call is over for this device. */
export type CallEnded = {
  /** Which call. */
  call_id: CallId;
  /** Why. */
  reason: EndReason;
  /** From answer to end, in milliseconds; zero if it was not answered. */
  duration_ms: number;
};

/** A call that has ended. Who is called has missed it where it was neither answered nor declined; of a group's call `group` says who has. */
export type CallEntry = {
  /** Which. Its entry comes once. */
  call_id: CallId;
  /** What it was placed as. */
  media: MediaKind;
  /** What became of it. */
  outcome: CallOutcome;
  /** From the answer to the end. Absent: nobody answered. */
  duration_ms?: number;
  /** Of the call of a group: the conversation is the group's. */
  group?: GroupCallEntry;
};

/** The group that a call is of. */
export type CallGroup = {
  /** The group. */
  group_id: string;
  /** Its name. */
  name: string;
};

/** Raise one's hand, or take it down. */
export type CallHand = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Up, or not. */
  raised: boolean;
};

/** `GET /v1/calls`: this user's calls, newest first. */
export type CallHistory = {
  /** One page. */
  calls: Array<CallRecord>;
  /** Pass as `?before=` for the next page; absent on the last. */
  next?: CallId;
};

/** Put a call on hold, or go on with it. */
export type CallHold = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** On hold, or not. */
  on: boolean;
};

/** One call, from invite to end, whatever devices come and go. */
export type CallId = string;

/** Someone calls. */
export type CallIncoming = {
  /** Which call. */
  call_id: CallId;
  /** Who. */
  from: Person;
  /** By voice or by video. */
  media: MediaKind;
  /** When it stops ringing, by the server's clock (`welcome.now`). */
  expires_at: Timestamp;
  /** It is a group call: `call.roster` says who is in, and it goes on when one leaves. */
  conference?: boolean;
  /** The group that it is of. */
  group?: CallGroup;
};

/** Call someone. */
export type CallInvite = {
  /** The request's number. */
  id: RequestId;
  /** Whom. */
  to: Target;
  /** By voice or by video. */
  media: MediaKind;
};

/** A call link, as its owner sees it. */
export type CallLink = {
  /** Names it here. */
  call_link_id: string;
  /** Whoever has it may come in. The address to give away is `/call/<token>` on the page's host. The server keeps only its hash. */
  token: string;
  /** What the call is called. */
  name?: string;
  /** What its calls are started as. */
  media: MediaKind;
  /** Whether people wait until a host lets them in. */
  approval: boolean;
  /** When it was made. */
  made_at: Timestamp;
  /** From then on nobody new comes in by it. */
  expires_at: Timestamp;
};

/** `POST /v1/call-links`. */
export type CallLinkNew = {
  /** What the call is called, 1 to 100 characters on one line. Whoever has the link sees it. */
  name?: string;
  /** What its calls are started as. */
  media: MediaKind;
  /** Whoever comes by it waits until a host lets them in. Absent: no. */
  approval?: boolean;
  /** How long it is good for, in seconds. Absent: as long as this server lets links be. */
  expires_in_s?: number;
};

/** What one would come into by a link. */
export type CallLinkPeek = {
  /** What the call is called. */
  name?: string;
  /** What it is started as. */
  media: MediaKind;
  /** Whose link it is. */
  owner: Person;
  /** Whether this user would have to wait until a host lets them in. */
  approval: boolean;
  /** From then on nobody new comes in by it. */
  expires_at: Timestamp;
  /** Whether a call goes on, or people wait for one. */
  active: boolean;
  /** The call that goes on: for those who may come in without waiting. */
  call?: CallPeek;
};

/** `GET /v1/call-links`: this user's links that are good, the newest first. */
export type CallLinks = {
  /** All of them. */
  links: Array<CallLink>;
};

/** Who is in a call, before one joins it: a group call, by its id, or the one of a link. */
export type CallLook = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id?: CallId;
  /** Or by which link: its token. */
  link?: string;
};

/** What this device sends now. */
export type CallMedia = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** The microphone is open. */
  mic: boolean;
  /** The camera is on. */
  camera: boolean;
  /** A screen is shared. */
  screen: boolean;
};

/** A call that nobody answered. */
export type CallMissed = {
  /** Which call. */
  call_id: CallId;
  /** Who called. */
  from: Person;
  /** By voice or by video. */
  media: MediaKind;
  /** When they called. */
  at: Timestamp;
};

/** What became of a call: an `EndReason` that holds for both sides. */
export type CallOutcome = "hangup" | "declined" | "busy" | "cancelled" | "missed" | "failed" | "lost";

/** Who is in a call, before one joins it. */
export type CallPeek = {
  /** Which call. */
  call_id: CallId;
  /** What it was started as. */
  media: MediaKind;
  /** When it was started. */
  started_at: Timestamp;
  /** Who is in it, in the order of their coming. */
  participants: Array<Person>;
};

/** What the others show of what this device sends. What nobody shows can be paused at its source. */
export type CallPublish = {
  /** Which call. */
  call_id: CallId;
  /** Each source that is sent, once. */
  wanted: Array<PublishWanted>;
};

/** How well the media of a call flows. */
export type CallQuality = {
  /** Which call. */
  call_id: CallId;
  /** Figures of everyone who is in; where many are, of this device alone. */
  participants: Array<ParticipantQuality>;
};

/** Show the others how one feels. Kept nowhere. */
export type CallReact = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** One emoji: at most 32 bytes, no letters and digits alone. */
  reaction: string;
};

/** Somebody shows how they feel. */
export type CallReaction = {
  /** Which call. */
  call_id: CallId;
  /** Who. */
  from: Participant;
  /** One emoji. */
  reaction: string;
};

/** A call that has ended. */
export type CallRecord = {
  /** Which call. */
  call_id: CallId;
  /** Which way it went. */
  direction: Direction;
  /** The other side. Of a group's call who started it; for who was added to a call of two, its caller. */
  peer: Person;
  /** By voice or by video. */
  media: MediaKind;
  /** When it was placed. */
  started_at: Timestamp;
  /** When it ended. */
  ended_at: Timestamp;
  /** Why it ended. */
  reason: EndReason;
  /** From answer to end, in milliseconds; zero if it was not answered, or this user was not in it. */
  duration_ms: number;
  /** How it was for this user; absent where nothing was measured. */
  quality?: QualitySummary;
  /** How it was for the other side. */
  peer_quality?: QualitySummary;
  /** Of the call of a group: which. */
  group?: CallGroup;
  /** Who was in a call of more than two: in a list the first 8, in `GET /v1/calls/{call_id}` everybody. */
  people?: Array<Person>;
  /** How many were in it. Absent: it was of two. */
  people_count?: number;
};

/** Take somebody out of a group call, or stop their ringing. */
export type CallRemove = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Whom. They come back only when somebody adds them. */
  user_id: UserId;
};

/** A request about a call that needs nothing but the call. */
export type CallRequest = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
};

/** Who is in a call. */
export type CallRoster = {
  /** Which call. */
  call_id: CallId;
  /** Rises with every change. */
  version: number;
  /** Everyone who is in, in the order of their coming. */
  participants: Array<RosterEntry>;
  /** It is a group call; one of two becomes one when somebody adds a third. */
  conference?: boolean;
  /** Of a group call: who rings. */
  ringing?: Array<Person>;
  /** Of a group call: those of its participants who may remove others. */
  hosts?: Array<UserId>;
  /** Of a link's call: only hosts let others in, and add others. It stays as it is, so changes of the roster do not say it. */
  approval?: boolean;
};

/**
 * What has changed of who is in a group call, where so many are that nobody is told all of them again. Whoever has a roster of `since`
 * or a newer one makes `version` of it; who has an older one or none is told a whole roster besides.
 */
export type CallRosterChanges = {
  /** Which call. */
  call_id: CallId;
  /** What these are the changes since. */
  since: number;
  /** What they make of it. */
  version: number;
  /** Who is otherwise than before, in their places, and who has come, behind those who were there. */
  changed: Array<RosterEntry>;
  /** Who has gone. */
  gone?: Array<Participant>;
  /** Who rings; all of them. */
  ringing?: Array<Person>;
  /** Those who may remove others; all of them. */
  hosts?: Array<UserId>;
};

/** What this device's receive slots carry. */
export type CallSlots = {
  /** Which call. */
  call_id: CallId;
  /** Every slot of the device's offer. */
  slots: Array<Slot>;
};

/** A call that this device takes part in or could answer, as `welcome` gives it. */
export type CallSnapshot = {
  /** Which call. */
  call_id: CallId;
  /** The other side; of a group call, who started it. */
  peer: Person;
  /** Whether this user placed the call. */
  outgoing: boolean;
  /** What it started as. */
  media: MediaKind;
  /** Where it stands. */
  phase: Phase;
  /** When it was answered. */
  answered_at?: Timestamp;
  /** This device has put it on hold. */
  held?: boolean;
  /** It is a group call: `call.roster` says who is in, and it goes on when one leaves. */
  conference?: boolean;
  /** The group that it is of. */
  group?: CallGroup;
};

/** Who speaks, loudest first; the first is the dominant speaker until another one is. */
export type CallSpeakers = {
  /** Which call. */
  call_id: CallId;
  /** Those who are heard now. */
  speakers: Array<Participant>;
};

/** A call has moved on. */
export type CallState = {
  /** Which call. */
  call_id: CallId;
  /** Where it stands now. */
  phase: Phase;
  /** When it was answered. */
  answered_at?: Timestamp;
};

/** What this device shows of a call, most important first. What nobody shows is not sent. */
export type CallView = {
  /** The request's number. */
  id: RequestId;
  /** Which call. */
  call_id: CallId;
  /** Pictures, at most as many as the device has video slots count. */
  wants: Array<ViewWant>;
};

/** Who waits to be let in, in the order of their coming: all of them, whenever one comes or goes. To hosts who are in the call. */
export type CallWaiting = {
  /** Which call. */
  call_id: CallId;
  /** Who. */
  people: Array<Person>;
};

/** The running calls of this user on their other devices. */
export type CallsElsewhere = {
  /** All of them. */
  calls: Array<CallElsewhere>;
};

/** What a client can do. Unknown entries are ignored, absent ones are "no". */
export type Caps = {
  /** It can ring: it takes calls. A back end or a test that only places calls says no. */
  rings: boolean;
  /** It takes messages: its mailbox is opened, and kept for it while it is away. */
  messages: boolean;
  /** It can have one call on hold and be in another: it rings while it is in a call. Without, it is busy then. */
  call_waiting: boolean;
};

/** A frame from a client. */
export type ClientFrame =
  | { type: "hello" } & Hello
  | { type: "pong" } & Ack
  | { type: "ack" } & Ack
  | { type: "call.invite" } & CallInvite
  | { type: "call.ringing" } & CallRequest
  | { type: "call.accept" } & CallRequest
  | { type: "call.decline" } & CallDecline
  | { type: "call.cancel" } & CallRequest
  | { type: "call.hangup" } & CallRequest
  | { type: "call.connect" } & CallConnect
  | { type: "call.media" } & CallMedia
  | { type: "call.hold" } & CallHold
  | { type: "call.join" } & CallRequest
  | { type: "call.leave" } & CallRequest
  | { type: "call.peek" } & CallLook
  | { type: "call.admit" } & CallAdmit
  | { type: "call.add" } & CallAdd
  | { type: "call.remove" } & CallRemove
  | { type: "call.hand" } & CallHand
  | { type: "call.react" } & CallReact
  | { type: "call.view" } & CallView
  | { type: "message.send" } & MessageSend
  | { type: "message.read" } & MessageRead
  | { type: "mailbox.ack" } & MailboxAck
  | { type: "presence.set" } & PresenceSet
  | { type: "presence.watch" } & PresenceWatch
  | { type: "typing" } & TypingSend
  | { type: "probe" } & Probe;

/** A device's own name for a message it sends: the same again from the same device is the same message. */
export type ClientMessageId = string;

/** What a message says. */
export type Content = { type: "text",
/** Not empty. */
text: string, } | { type: "media" } & MediaContent | { type: "voice" } & VoiceContent | { type: "system" } & GroupEvent | { type: "call" } & CallEntry;

/** Why a device declines. */
export type DeclineReason = "declined" | "busy";

/** How far a message has come. */
export type DeliveryState = "pending" | "delivered" | "read";

/** `GET /v1/demo/people`, and the frame `demo.people`: everyone who has signed in. Exists with `demo = true` only. */
export type DemoPeople = {
  /** Those online first, then by name. */
  people: Array<Person>;
};

/** `POST /v1/demo/sign-in`: a name is enough. Exists with `demo = true` only. */
export type DemoSignIn = {
  /** What the others see, 1 to 40 characters. The user id is made from it: the same name is the same person. */
  name: string;
};

/** Its answer. */
export type DemoSignedIn = {
  /** Who you are now. */
  user_id: UserId;
  /** For `hello`. */
  token: string;
};

/** A device of an account. */
export type Device = {
  /** Which. */
  device_id: DeviceId;
  /** What it called itself. */
  name: string;
  /** The one that was registered by PIN; the others were linked. */
  primary: boolean;
  /** Since when. */
  linked_at: Timestamp;
  /** When it was last connected; absent if never. */
  seen_at?: Timestamp;
  /** Whether it is connected now. */
  online: boolean;
};

/** A device's access (201 of `verify`, and of a link that was approved). The token is shown this once. */
export type DeviceAccess = {
  /** Who you are. */
  user_id: UserId;
  /** Which device this is, for good. */
  device_id: DeviceId;
  /** For `hello` and `Authorization: Bearer`. */
  token: string;
};

/** One device of a user: unique within that user only, chosen by the client and kept by it. */
export type DeviceId = string;

/** `GET /v1/devices`, answer of `POST /v1/devices/link/approve`, and the frame `devices`. */
export type Devices = {
  /** The primary one first, then the newest first. */
  devices: Array<Device>;
};

/** Which way a call went. */
export type Direction = "incoming" | "outgoing";

/** Another socket has taken this device's place. */
export type Displaced = Record<symbol, never>;

/** The server is about to go. */
export type Drain = {
  /** Sockets are closed after this many milliseconds. */
  deadline_ms: number;
};

/** What had waited has been handed out. */
export type Drained = {
  /** Up to where. */
  seq: number;
};

/** Why a call ended. */
export type EndReason =
  | "hangup"
  | "declined"
  | "busy"
  | "cancelled"
  | "missed"
  | "answered_elsewhere"
  | "declined_elsewhere"
  | "failed"
  | "lost"
  | "handed_over"
  | "removed"
  | "turned_away"
  | "link_over";

/** An error as frames and HTTP answers carry it. */
export type ErrorBody = {
  /** What is wrong. */
  code: ErrorCode;
  /** What to do about it. */
  class: ErrorClass;
  /** For people. */
  message: string;
  /** The limit that was reached. */
  limit?: number;
  /** What was asked for. */
  actual?: number;
  /** When to ask again, in milliseconds from now. */
  retry_after_ms?: number;
};

/** What a client can do about an error. */
export type ErrorClass = "retry" | "retry_after" | "resync" | "reauth" | "forbidden" | "invalid" | "limit" | "internal";

/** What is wrong. The names are stable. */
export type ErrorCode =
  | "bad_frame"
  | "hello_expected"
  | "request_id_not_rising"
  | "token_invalid"
  | "token_expired"
  | "forbidden"
  | "not_found"
  | "bad_request"
  | "unknown_user"
  | "unknown_call"
  | "call_self"
  | "already_in_call"
  | "call_state_mismatch"
  | "call_over"
  | "call_answered_elsewhere"
  | "phone_invalid"
  | "pin_wrong"
  | "registration_over"
  | "pin_not_sent"
  | "link_over"
  | "primary_only"
  | "account_only"
  | "tls_required"
  | "sdp_invalid"
  | "rate_limited"
  | "too_many_outstanding"
  | "too_large"
  | "server_full"
  | "call_full"
  | "too_many_connections"
  | "too_many"
  | "unknown_conversation"
  | "not_addable"
  | "invite_over"
  | "call_link_over"
  | "turned_away"
  | "waiting_full"
  | "client_id_reused"
  | "no_mailbox"
  | "push_refused"
  | "message_not_stored"
  | "media_too_large"
  | "media_too_long"
  | "media_too_many_pixels"
  | "media_too_complex"
  | "media_unsupported"
  | "media_damaged"
  | "media_empty"
  | "media_encrypted"
  | "media_external"
  | "media_checksum_mismatch"
  | "media_length_mismatch"
  | "media_stalled"
  | "media_quota"
  | "media_busy"
  | "media_store_unavailable"
  | "media_timed_out"
  | "media_out_of_memory"
  | "media_worker_crashed"
  | "media_sandbox_unavailable"
  | "media_cancelled"
  | "media_not_ready"
  | "media_opened"
  | "claim_over"
  | "upload_offset"
  | "upload_locked"
  | "draining"
  | "internal";

/** A refusal. */
export type ErrorFrame = {
  /** Of the request; absent when the frame could not be read that far. */
  id?: RequestId;
  /** What is wrong. */
  error: ErrorBody;
};

/** A message that waits, or that this user has sent. */
export type FoundMessage = {
  /** Its conversation, a dot, its place there. */
  message_id: string;
  /** Its conversation. */
  conversation: string;
  /** Its place there. */
  conversation_seq: number;
  /** Who sent it. */
  from: UserId;
  /** To whom. */
  to: Recipient;
  /** When, by the server's clock. */
  sent_at: Timestamp;
  /** How far it has come. */
  state: DeliveryState;
  /** Under which name this user's device has sent it, while that is known. */
  client_id?: ClientMessageId;
  /** What it says: of one that waits for this device, and of no other. */
  content?: Content;
};

/** Something was here and was given up: the device was away for too long, or too much waited. */
export type Gap = {
  /** Everything up to there that this device had not acknowledged. */
  seq: number;
  /** Why. */
  reason: GapReason;
};

/** Why messages were given up. */
export type GapReason = "expired" | "quota";

/** A group, as its members see it. */
export type Group = {
  /** Which: its conversation. */
  group_id: string;
  /** Its name. */
  name: string;
  /** What it is for. */
  description: string;
  /** Its picture. */
  icon?: MediaId;
  /** The least that one must be to write. */
  post: GroupRole;
  /** The least that one must be to change name, description and picture. */
  edit: GroupRole;
  /** Who is in it, in the order they came. */
  members: Array<GroupMember>;
  /** Whoever has its invitation may join. */
  has_invite: boolean;
  /** Its last entry's place. */
  conversation_seq: number;
};

/** A group's call that goes on, as its members see it before they join. */
export type GroupCall = {
  /** The group. */
  group_id: string;
  /** The call: `call.join` goes in. */
  call_id: CallId;
  /** What it was started as. */
  media: MediaKind;
  /** Who started it. */
  started_by: Person;
  /** When. */
  started_at: Timestamp;
  /** How many devices are in it. */
  participants: number;
};

/**
 * The call of a group has begun, has another number of participants, or is over. To members who are not in it, some times a second at
 * most.
 */
export type GroupCallChanged = {
  /** The group. */
  group_id: string;
  /** The call that goes on; absent: none does. */
  call?: GroupCall;
};

/** What the entry of a group's call says beside what that of any call does. Who started it is the entry's sender. */
export type GroupCallEntry = {
  /** When it was started. */
  started_at: Timestamp;
  /** Who was in it: the first 32, by their ids. */
  people: Array<UserId>;
  /** How many were in it. */
  people_count: number;
  /** Who was asked in, and neither came nor declined: they have missed it. At most 256. */
  missed: Array<UserId>;
};

/** What happened to a group; the message's sender did it. */
export type GroupEvent = { "event": "created",
/** Its name then. */
name: string,
/** Who was in it, its maker too. */
members: Array<UserId>, } | { "event": "changed",
/** What is otherwise. */
changes: GroupPatch, } | { "event": "added",
/** Who. */
user: UserId,
/** As what. */
role: GroupRole, } | { "event": "joined" } | { "event": "removed",
/** Who. */
user: UserId, } | { "event": "left" } | { "event": "role",
/** Who. */
user: UserId,
/** What. */
role: GroupRole, } | { "event": "ended" };

/** `POST /v1/groups/{group_id}/invite`. */
export type GroupInvite = {
  /** Whoever has it may join, until it is revoked or another one is made. The server keeps only its hash. */
  token: string;
};

/** Somebody in a group. */
export type GroupMember = {
  /** Who. */
  user_id: UserId;
  /** As what. */
  role: GroupRole;
};

/** `PUT /v1/groups/{group_id}/members/{user_id}`. */
export type GroupMemberPut = {
  /** As what; absent: as what they are, or a member. */
  role?: GroupRole;
};

/** `POST /v1/groups`. */
export type GroupNew = {
  /** This client's own name for it, a UUID. The same again is the same group. */
  client_id: ClientMessageId;
  /** Its name, 1 to 100 characters. */
  name: string;
  /** What it is for, at most 1,000 characters. */
  description?: string;
  /**
   * Its picture: one's own, or one that was shared with oneself. Who is in the group fetches it by `GET
   * /v1/groups/{group_id}/icon`, whoever set it; the file stays as long as the group shows it.
   */
  icon?: MediaId;
  /** Who is in it beside oneself. */
  members: Array<UserId>;
  /** The least that one must be to write; `member` if absent. */
  post?: GroupRole;
  /** The least that one must be to change name, description and picture; `admin` if absent. */
  edit?: GroupRole;
};

/** `PATCH /v1/groups/{group_id}`, and in a `system` message what was changed. What is absent stays. */
export type GroupPatch = {
  /** Its name, 1 to 100 characters. */
  name?: string;
  /** What it is for, at most 1,000 characters; empty: nothing is said. */
  description?: string;
  /** Its picture; null: none. */
  icon?: MediaId | null;
  /** The least that one must be to write. */
  post?: GroupRole;
  /** The least that one must be to change name, description and picture. */
  edit?: GroupRole;
};

/** What somebody is in a group; each may do what those before may. */
export type GroupRole = "member" | "admin" | "owner";

/** `GET /v1/groups`: this user's groups, by their ids. */
export type Groups = {
  /** One page. */
  groups: Array<Group>;
  /** Pass as `?after=` for the next page; absent on the last. */
  next?: string;
};

/** Who is calling. */
export type Hello = {
  /** A device token of an account here, or a JWT minted with an API key. */
  token: string;
  /**
   * This device, as the client named it when it was installed. Absent: the server names it, and says so in `welcome`.
   * With a device token: that token's device, or absent.
   */
  device_id?: DeviceId;
  /** The session to go on with. */
  resume?: Resume;
  /** What the client can do. */
  caps: Caps;
};

/** A STUN or TURN server for the client's `RTCPeerConnection`. */
export type IceServer = {
  /** `stun:` and `turn:` URLs. */
  urls: Array<string>;
  /** User name, where the server wants one. */
  username?: string;
  /** Password, where the server wants one. */
  credential?: string;
};

/** `GET /v1/ice-servers`: STUN and TURN servers, with credentials made now. */
export type IceServers = {
  /** The servers. */
  ice_servers: Array<IceServer>;
  /** When the credentials end, by the server's clock. Absent: they do not. */
  expires_at?: Timestamp;
};

/** What a connection may do; beyond it comes an `error` of class `limit`, or the socket is closed with a reason. */
export type Limits = {
  /** Bytes of the largest frame. */
  frame_bytes_max: number;
  /** Requests a second, on average. */
  requests_per_s: number;
  /** Requests at once above that average. */
  requests_burst: number;
  /** Requests not answered yet. */
  outstanding_max: number;
  /** People in a `presence.watch`. */
  watched_users_max: number;
  /** Groups in a `presence.watch`. */
  watched_groups_max: number;
};

/** `POST /v1/devices/link`: a new device asks to be linked. Needs no token. */
export type LinkBegin = {
  /** How this device will be listed. 1 to 60 characters. */
  device_name: string;
};

/** Its answer (201): show the code, and ask with the secret until it is approved. */
export type LinkBegun = {
  /** For `GET /v1/devices/link/{link_id}`. */
  link_id: string;
  /** To be typed or scanned on a device that has the account: `ABCD-EFGH`. */
  code: string;
  /** `Authorization: Bearer` of that call. Whoever has it gets the access, once the code is approved. */
  secret: string;
  /** How long the code is good for, in seconds. */
  expires_in_s: number;
};

/** `POST /v1/devices/link/inspect` and `…/approve`: the code, on a device that has the account. */
export type LinkCode = {
  /** As the new device shows it; small letters, blanks and a missing hyphen are forgiven. */
  code: string;
};

/** Answer of `inspect`: what the person is about to let in. */
export type LinkFound = {
  /** What the new device calls itself. */
  device_name: string;
  /** The network it asks from, as this server sees it. */
  address: string;
  /** When it asked. */
  asked_at: Timestamp;
};

/** `GET /v1/devices/link/{link_id}`: where it stands. It may be held back for some seconds until there is something to say. */
export type LinkState = { "state": "waiting" } | { "state": "seen" } | { "state": "approved" } & DeviceAccess;

/** `POST /v1/contacts/lookup`: who has this number, to call them. 404 if nobody has; asked for too often, it is refused. */
export type Lookup = {
  /** The phone number. */
  phone: string;
};

/** This device has kept everything up to there. */
export type MailboxAck = {
  /** The `seq` of the last frame that it has kept. */
  seq: number;
  /** How many frames of the session it has received, as in `ack`: saves one. */
  received?: number;
};

/** A picture, video, sound or file, as its owner and those it is shared with see it. */
export type Media = {
  /** Which. */
  media_id: MediaId;
  /** Who has sent it. */
  owner: UserId;
  /** How far it has come. */
  state: MediaState;
  /** What it is. */
  class: MediaClass;
  /** When it was sent. */
  created_at: Timestamp;
  /** Its owner keeps it. What is neither kept nor shared goes after a day. */
  keep: boolean;
  /** Opened once by each who gets it, then gone. */
  view_once: boolean;
  /** Its name, where it has one. */
  file_name?: string;
  /** Media type. Once it is ready. */
  mime?: string;
  /** Bytes to download; of one in the making, as sent. */
  bytes: number;
  /** Pixels across. */
  width?: number;
  /** Pixels down. */
  height?: number;
  /** Milliseconds. */
  duration_ms?: number;
  /** Whether there is sound in it. Of a video. */
  has_sound?: boolean;
  /** Whether there is a thumbnail. */
  has_thumbnail: boolean;
  /** The picture in some 25 bytes (ThumbHash, base64). */
  thumbhash?: string;
  /** A tiny picture as a data URI under 2 KB, for the message itself. */
  preview?: string;
  /** How loud it is over time: 64 points of 0 to 100. */
  waveform?: Array<number>;
  /** Its end was missing, and what there was has been kept. */
  salvaged: boolean;
  /** Of one in the making: thousandths done. */
  progress?: number;
  /** Why it was refused. */
  error?: ErrorBody;
};

/** Its answer (201). */
export type MediaChallenge = {
  /** For `PUT /v1/media/claims/{claim_id}`. */
  claim_id: string;
  /** 32 bytes, base64url. */
  nonce: string;
  /** How long the claim can be proved, in seconds. */
  expires_in_s: number;
};

/** `POST /v1/media/claims`: is what I have here already? The answer is the same either way. */
export type MediaClaim = {
  /** SHA-256 of the file, in hexadecimal. */
  sha256: string;
  /** Its bytes. */
  size: number;
  /** What it is to be treated as. */
  as?: MediaTreatment;
};

/** What an upload is. */
export type MediaClass = "video" | "image" | "audio" | "voice" | "document" | "sealed";

/** A picture, video, sound or file, perhaps with a few words. */
export type MediaContent = {
  /**
   * Which: in what is sent, one's own or one that was shared with oneself; in what comes, the sender's own. Everybody the
   * message is for may fetch it from then on. It must be `ready`.
   */
  media_id: MediaId;
  /** A few words, not blank: at most 1024 characters. */
  caption?: string;
  /** What it is: the server says it, and refuses a message in which somebody else does. */
  file?: SharedFile;
};

/** One person's handle on an uploaded file: several of them may be on the same bytes. */
export type MediaId = string;

/** What a call started as. It can change during the call without new SDP. */
export type MediaKind = "voice" | "video";

/** `POST /v1/media/{media_id}/open`: this device may look, once, until then. */
export type MediaLease = {
  /** When it ends, by the server's clock. */
  expires_at: Timestamp;
};

/** Its answer (201). Relative to this server. */
export type MediaLink = {
  /** The file. */
  path: string;
  /** Its thumbnail, where it has one. */
  thumbnail_path?: string;
  /** When it ends, by the server's clock. */
  expires_at: Timestamp;
};

/** `POST /v1/media/{media_id}/link`: a link that anyone can open until it expires. */
export type MediaLinkRequest = {
  /** How long it is good for, in seconds; the server has a maximum. */
  expires_in_s?: number;
};

/** `GET /v1/media`: this user's uploads, newest first. */
export type MediaPage = {
  /** One page. */
  media: Array<Media>;
  /** Pass as `?before=` for the next page; absent on the last. */
  next?: MediaId;
};

/** An upload of this user is being made playable. */
export type MediaProgress = {
  /** Which. */
  media_id: MediaId;
  /** Thousandths done. */
  progress: number;
};

/** `PUT /v1/media/claims/{claim_id}`: I have it, byte for byte. */
export type MediaProof = {
  /** HMAC-SHA256 of the nonce, keyed by SHA-256 of the five bytes `proof` and the file; base64url. */
  proof: string;
  /** Its name, for those it is shared with. */
  file_name?: string;
  /** Keep it though nobody else has it. */
  keep?: boolean;
};

/** An upload was refused: this user's, on whichever device it was sent, or somebody else's that was to come here (`from`, `to`). */
export type MediaRejected = {
  /** Which; absent where it was refused while it came in. */
  media_id?: MediaId;
  /** Its name, where it has one. */
  file_name?: string;
  /** Why, with the limit and the actual figure. */
  error: ErrorBody;
  /** Who sent it; absent where it is one's own. */
  from?: UserId;
  /** To whom it was to go, as a message says it; absent where it is one's own. */
  to?: Recipient;
};

/** `POST /v1/media/{media_id}/share`: these people may have it too. Nothing is copied. */
export type MediaShare = {
  /** Who. */
  to: Array<UserId>;
};

/** Its answer. */
export type MediaShared = {
  /** By which id they have it: what you forward is yours to take back. */
  media_id: MediaId;
};

/** How far an upload has come. */
export type MediaState = "processing" | "ready" | "refused";

/** What an upload is to be treated as: `?as=` of an upload. */
export type MediaTreatment = "auto" | "voice" | "document" | "sealed";

/** A message has come: somebody's, or one of this user's from another device. */
export type Message = {
  /** Its place in mailboxes, for `mailbox.ack`. */
  seq: number;
  /** Its conversation. */
  conversation: string;
  /** Its place there. */
  conversation_seq: number;
  /** Who sent it. */
  from: UserId;
  /** To whom. */
  to: Recipient;
  /** When, by the server's clock. */
  sent_at: Timestamp;
  /** What it says. */
  content: Content;
};

/** A message that is sent by plain HTTP: the same as `message.send`, from a device that need not be connected. */
export type MessagePost = {
  /** The device's own name for the message, a UUID: as in `message.send`, and of the same latest 64. */
  client_id: ClientMessageId;
  /** Where to. */
  to: Recipient;
  /** What. */
  content: Content;
};

/** This user has read a conversation up to there. */
export type MessageRead = {
  /** The request's number. */
  id: RequestId;
  /** Which conversation. */
  conversation: string;
  /** Up to which place. */
  read_upto: number;
};

/** Send a message. */
export type MessageSend = {
  /** The request's number. */
  id: RequestId;
  /**
   * This device's own name for the message, a UUID. The same again is the same message: answered as before, delivered once.
   * Only a device's latest 64 are known: it must not have more without an answer.
   */
  client_id: ClientMessageId;
  /** Where to. */
  to: Recipient;
  /** What. */
  content: Content;
};

/** Where a message stands: in the answer to `message.send`. */
export type MessageSent = {
  /** Its conversation. */
  conversation: string;
  /** Its place there: 1, 2, 3, … */
  conversation_seq: number;
  /** When, by the server's clock. */
  sent_at: Timestamp;
  /** It was sent before, by the same `client_id`. */
  duplicate?: boolean;
  /** Of a message with a file: what the others get, with what the server says of it. Absent where it is gone by now. */
  content?: Content;
};

/** One page of messages, by conversation and place. */
export type Messages = {
  /** May be none although there are more: a page looks through so many at most. */
  messages: Array<FoundMessage>;
  /** For the next page. Absent: this was the last. */
  next?: string;
};

/** A request was done. Which of the optional fields are there depends on the request. */
export type OkFrame = {
  /** Of the request. */
  id: RequestId;
  /** `call.invite`: the call. */
  call_id?: CallId;
  /** `call.invite` by a link: this user waits until a host lets them in. */
  waiting?: boolean;
  /** `call.peek` by a link: what one would come into. */
  link?: CallLinkPeek;
  /**
   * `call.connect`: the SDP answer. Each line `a=x-restart:<ufrag> <password>` in it is good for one restart of ICE that
   * the client makes without asking, in their order: as if the answer had come again, with these credentials.
   */
  sdp?: string;
  /** `call.connect`: the receive slots of the offer. */
  slots?: Array<Slot>;
  /** `call.peek`: who is in it. */
  peek?: CallPeek;
  /** `message.send`: where it stands. */
  message?: MessageSent;
};

/** A device that is in a call. */
export type Participant = {
  /** Whose device. */
  user_id: UserId;
  /** Which device. */
  device_id: DeviceId;
};

/** Figures of one participant over the last interval, as the server measures them. */
export type ParticipantQuality = {
  /** Whose. */
  user_id: UserId;
  /** Which device. */
  device_id: DeviceId;
  /** Round trip between server and participant, in milliseconds. */
  rtt_ms?: number;
  /** What the server thinks the participant can receive, in bit/s. */
  estimate_bps?: number;
  /** From the participant to the server. */
  up: TrackQuality;
  /** From the server to the participant. */
  down: TrackQuality;
  /**
   * How good the call is for this participant, 1 (bad) to 5 (excellent): a mean opinion score estimated from round
   * trip, loss and jitter of both directions (E-model, ITU-T G.107, simplified). Absent while nothing was measured.
   */
  score?: number;
};

/** A person as others see them. */
export type Person = {
  /** Their id. */
  user_id: UserId;
  /** Their display name. */
  name: string;
  /** Whether a device of theirs is connected now. Only where the asker may know. */
  online?: boolean;
  /** Whether the account was deleted: then the name says only that. */
  deleted?: boolean;
};

/** How things are with one person, as far as they show it. Of whom nothing was said yet, or who shows nothing: neither is known. */
export type PersonPresence = {
  /** Who. */
  user: UserId;
  /** They are here now. */
  online: boolean;
  /** When they last were, by the server's clock, in whole seconds. Absent while they are here, and where they do not show it. */
  last_seen?: Timestamp;
};

/** Where a call stands. */
export type Phase = "offered" | "ringing" | "connecting" | "active" | "reconnecting" | "waiting";

/** Are you there? */
export type Ping = {
  /** The server's clock. */
  now: Timestamp;
};

/** How things are with people this device watches: those of whom there is news. */
export type Presence = {
  /** Who, and how things are. */
  people: Array<PersonPresence>;
};

/** Somebody looks at this device, or no longer. */
export type PresenceSet = {
  /** The request's number. */
  id: RequestId;
  /** Whether somebody does. */
  active: boolean;
};

/** Whom this device wants to know of. */
export type PresenceWatch = {
  /** The request's number. */
  id: RequestId;
  /** These people, at most `limits.watched_users_max`: their presence, and that they type to us. */
  users: Array<UserId>;
  /** These groups, by their conversations, at most `limits.watched_groups_max`: who types there. */
  groups: Array<string>;
};

/** Is the way to the server alive? */
export type Probe = {
  /** The request's number. */
  id: RequestId;
};

/** `GET /v1/profile` and the answer of `PATCH`: this user, as they see themselves. */
export type Profile = {
  /** Your id. */
  user_id: UserId;
  /** How others see you. */
  name: string;
  /** Your number (E.164); absent for users of an app's own and of the demo. */
  phone?: string;
};

/** `PATCH /v1/profile`. */
export type ProfilePatch = {
  /** How others see you, 1 to 40 characters. */
  name?: string;
};

/** What the others show of one source. */
export type PublishWanted = {
  /** `camera` or `screen`. */
  source: Source;
  /** The highest picture that is shown, in pixels; absent: nobody shows it. */
  max_height?: number;
};

/** The keys of a [`PushSubscription`]. */
export type PushKeys = {
  /** The browser's public key (P-256, base64url). */
  p256dh: string;
  /** The subscription's secret (16 bytes, base64url). */
  auth: string;
};

/** `GET /v1/push`: how this device is woken. */
export type PushState = {
  /** The server's key, for the browser's `pushManager.subscribe` (`applicationServerKey`, base64url). */
  public_key: string;
  /** This device is subscribed. */
  subscribed: boolean;
};

/** `PUT /v1/push`: a browser's subscription, as its `toJSON()` gives it. */
export type PushSubscription = {
  /** Where pushes go: a push service that this server allows. */
  endpoint: string;
  /** What they are sealed with. */
  keys: PushKeys;
};

/** How a call was for one side, from its answer to its end. */
export type QualitySummary = {
  /** The mean of the scores (see `ParticipantQuality`), 1 to 5. */
  score: number;
  /** The lowest of them. */
  score_min: number;
  /** Mean round trip between server and participant, in milliseconds. */
  rtt_ms: number;
  /** Mean loss of both directions, as a fraction from 0 to 1. */
  loss: number;
  /** Mean jitter, in milliseconds. */
  jitter_ms: number;
  /** How often the media of this side was gone. */
  interruptions: number;
  /** For how long in all, in milliseconds. */
  interrupted_ms: number;
};

/** How far one member has come. */
export type Receipt = {
  /** Who. Oneself: read on another device. */
  user: UserId;
  /** A device of theirs has everything up to here. */
  delivered_upto: number;
  /** They have read up to here. */
  read_upto: number;
};

/** How far members of a conversation have come. Figures only grow. */
export type Receipts = {
  /** The place of the change in mailboxes, for `mailbox.ack`. */
  seq: number;
  /** Which conversation. */
  conversation: string;
  /** Those that have moved. */
  receipts: Array<Receipt>;
  /** In a group: how far all others have come. A message's ticks are all there once this has reached it. */
  all?: ReceiptsOfAll;
};

/** How far everybody in a group but oneself has come, of what was sent while they were in it. Who left is waited for no longer. */
export type ReceiptsOfAll = {
  /** Each has a device that has everything up to here. */
  delivered_upto: number;
  /** Each has read up to here. */
  read_upto: number;
};

/** Where a message goes. */
export type Recipient = { "user": UserId } | { "group": string };

/** `POST /v1/register`: asks for a PIN to be sent. The answer is the same whether or not the number has an account. */
export type Register = {
  /** The phone number, best with its country code: `+34 612 345 678`. */
  phone: string;
};

/** Its answer (202). */
export type Registered = {
  /** For `verify`. */
  registration_id: string;
  /** The number as it was understood (E.164). */
  phone: string;
  /** How long the PIN is good for, in seconds. */
  expires_in_s: number;
  /** When another PIN may be asked for, in seconds. */
  again_in_s: number;
};

/** Number of a request within its session: starts at 1 and rises. Below 2^53, so that every client can hold it. */
export type RequestId = number;

/** Goes on with an earlier session. */
export type Resume = {
  /** Which session, from its `welcome`. */
  session: SessionId;
  /** The secret of that `welcome`. */
  secret: string;
  /** How many frames of the session the client has received: `welcome`, `ping`, `presence` and `typing` are not counted. */
  received: number;
};

/** One participant of a roster. */
export type RosterEntry = {
  /** Their display name. */
  name: string;
  /** They have put the call on hold. */
  held?: boolean;
  /** When they raised their hand; absent: it is down. */
  hand_at?: Timestamp;
  /** Whose device. */
  user_id: UserId;
  /** Which device. */
  device_id: DeviceId;
  /** The microphone is open. */
  mic: boolean;
  /** The camera is on. */
  camera: boolean;
  /** A screen is shared. */
  screen: boolean;
};

/** A frame from the server. */
export type ServerFrame =
  | { type: "welcome" } & Welcome
  | { type: "ok" } & OkFrame
  | { type: "error" } & ErrorFrame
  | { type: "ping" } & Ping
  | { type: "drain" } & Drain
  | { type: "displaced" } & Displaced
  | { type: "call.incoming" } & CallIncoming
  | { type: "call.state" } & CallState
  | { type: "call.roster" } & CallRoster
  | { type: "call.roster_changes" } & CallRosterChanges
  | { type: "call.slots" } & CallSlots
  | { type: "call.waiting" } & CallWaiting
  | { type: "call.quality" } & CallQuality
  | { type: "call.speakers" } & CallSpeakers
  | { type: "call.publish" } & CallPublish
  | { type: "call.reaction" } & CallReaction
  | { type: "call.group" } & GroupCallChanged
  | { type: "call.ended" } & CallEnded
  | { type: "call.missed" } & CallMissed
  | { type: "calls.elsewhere" } & CallsElsewhere
  | { type: "devices" } & Devices
  | { type: "settings" } & Settings
  | { type: "media.progress" } & MediaProgress
  | { type: "media.ready" } & Media
  | { type: "media.rejected" } & MediaRejected
  | { type: "message" } & Message
  | { type: "receipts" } & Receipts
  | { type: "gap" } & Gap
  | { type: "drained" } & Drained
  | { type: "presence" } & Presence
  | { type: "typing" } & Typing
  | { type: "demo.people" } & DemoPeople;

/** `GET /v1/server`: what a client must know before it signs in. Needs no token. */
export type ServerInfo = {
  /** The ways to sign in, the best first. */
  sign_in: Array<SignInWay>;
  /** The country that phone numbers without a country code are taken to be of (ISO 3166, as in `ES`). */
  phone_region?: string;
  /** Digits of a PIN. */
  pin_digits: number;
};

/** One signalling session: a device's conversation with the server, which may outlive several sockets. */
export type SessionId = string;

/** `GET /v1/settings`, the answer of `PATCH`, the frame `settings`, and in `welcome`. */
export type Settings = {
  /** No device rings; whoever calls is shown as missed. Until this moment, by the server's clock; absent: it is off. */
  do_not_disturb_until?: Timestamp;
  /** Who sees that this user is here. */
  online: Audience;
  /** Who sees when they last were. */
  last_seen: Audience;
};

/** `PATCH /v1/settings`: what is absent stays as it is. */
export type SettingsPatch = {
  /** Do not disturb until this moment; 0 turns it off. Far in the future: until turned off. */
  do_not_disturb_until?: Timestamp;
  /** Who sees that this user is here. */
  online?: Audience;
  /** Who sees when they last were. */
  last_seen?: Audience;
};

/** What a file is: enough to show a message with it before anything of it is fetched. */
export type SharedFile = {
  /** What it is. */
  class: MediaClass;
  /** Media type. */
  mime: string;
  /** Its name, where it has one. */
  file_name?: string;
  /** Bytes to download. */
  bytes: number;
  /** Pixels across. */
  width?: number;
  /** Pixels down. */
  height?: number;
  /** Milliseconds. */
  duration_ms?: number;
  /** Whether there is sound in it. Of a video. */
  has_sound?: boolean;
  /** Whether there is a thumbnail. */
  has_thumbnail?: boolean;
  /** The picture in some 25 bytes (ThumbHash, base64). */
  thumbhash?: string;
  /** A tiny picture as a data URI under 2 KB. */
  preview?: string;
  /** How loud it is over time: 64 points of 0 to 100. */
  waveform?: Array<number>;
  /** Opened once by each who gets it, then gone. */
  once?: boolean;
};

/** A way to sign in. */
export type SignInWay = "phone" | "demo" | "token";

/** A receive slot: a line of the client's offer on which it can receive, and what it carries now. */
export type Slot = {
  /** The line's `a=mid`. */
  mid: string;
  /** Whose source it carries; absent while it carries none. */
  participant?: Participant;
  /** Which of their sources. */
  source?: Source;
};

/** Which of a participant's sources something carries. */
export type Source = "mic" | "camera" | "screen";

/** Whom a call is for. */
export type Target = { "user": UserId } | { "group": string } | { "link": string };

/**
 * A moment, in milliseconds since the Unix epoch.
 *
 * The shells derive it from one monotonic clock read at start, so that it never runs backwards within a process.
 */
export type Timestamp = number;

/** Figures of one direction. */
export type TrackQuality = {
  /** Bit/s, RTP payload and headers. */
  bitrate_bps: number;
  /** Packets lost, as a fraction from 0 to 1, before retransmission. */
  loss: number;
  /** Interarrival jitter of the audio (RFC 3550 §6.4.1), in milliseconds. */
  jitter_ms: number;
};

/** Somebody types, or no longer. Nothing for six seconds: no longer. */
export type Typing = {
  /** Who. */
  from: UserId;
  /** To whom: this device's user, or a group. */
  to: Recipient;
  /** What they do. */
  what: TypingWhat;
};

/** This person types, or no longer. */
export type TypingSend = {
  /** The request's number. */
  id: RequestId;
  /** To whom. */
  to: Recipient;
  /** What they do. */
  what: TypingWhat;
};

/** What somebody is about to send. */
export type TypingWhat = "text" | "voice" | "none";

/** What an upload may be. A video that is sent as a document may be as large as any file. */
export type UploadLimits = {
  /** Bytes of a video. */
  video_bytes_max: number;
  /** Seconds of a video. */
  video_seconds_max: number;
  /** Bytes of a sound or voice note. */
  audio_bytes_max: number;
  /** Seconds of a sound or voice note. */
  audio_seconds_max: number;
  /** Bytes of a picture. */
  image_bytes_max: number;
  /** Pixels of a picture. */
  image_pixels_max: number;
  /** Bytes of anything. */
  file_bytes_max: number;
};

/** A person, by the id that the app gave them (`sub` of its token) or that they signed in with. */
export type UserId = string;

/**
 * `POST /v1/register/verify`: the PIN. Makes the account if there is none, and this device its primary one; the primary
 * device before it loses its access.
 */
export type Verify = {
  /** Of `Registered`. */
  registration_id: string;
  /** What was sent to the phone. */
  pin: string;
  /** How this device is listed: "Ana's phone". 1 to 60 characters. */
  device_name: string;
  /** How others see this person. Absent: the account's name, or, for a new one, the number's last digits. */
  name?: string;
  /** Also end the access of all linked devices: for whoever has come by a number that was somebody else's, or has lost one. */
  unlink_others?: boolean;
};

/** What cameras are coded as. */
export type VideoCodec = "vp8" | "vp9" | "h264" | "av1";

/** A picture that is shown. */
export type ViewWant = {
  /** Whose. */
  user_id: UserId;
  /** On which device of theirs. */
  device_id: DeviceId;
  /** `camera` or `screen`. */
  source: Source;
  /** How high it is shown, in pixels of the screen. */
  max_height: number;
};

/** A voice note. */
export type VoiceContent = {
  /** As in a message with media. What it names must have been sent as a voice note. */
  media_id: MediaId;
  /** As in a message with media. */
  file?: SharedFile;
};

/** The session is open. */
export type Welcome = {
  /** Who the token says you are. */
  user_id: UserId;
  /** Your display name. */
  name: string;
  /** This device. */
  device_id: DeviceId;
  /** This session, for `resume`. */
  session: SessionId;
  /** Proves that the session is yours. */
  secret: string;
  /** Whether the session asked for goes on. If not, all is new: frames and request ids start from zero. */
  resumed: boolean;
  /** The highest request id that was handled; ask again for those above it. */
  last_request: RequestId;
  /** A `ping` comes this often, in seconds. Nothing for twice as long: the socket is dead. */
  heartbeat_s: number;
  /** How long the server keeps a session without a socket, in seconds. */
  resume_window_s: number;
  /** What this connection may do. */
  limits: Limits;
  /** What an upload may be. Absent: this server takes no uploads. */
  uploads?: UploadLimits;
  /** The server's clock. */
  now: Timestamp;
  /** Calls that go on for this device. */
  calls: Array<CallSnapshot>;
  /** Calls missed since this user last connected, oldest first. */
  missed_calls: Array<CallMissed>;
  /** The running calls of this user on their other devices. */
  calls_elsewhere: Array<CallElsewhere>;
  /** Calls of this user's groups that go on. */
  group_calls?: Array<GroupCall>;
  /** What cameras are coded as in calls of this server, and in its group calls nothing else: everybody has to show it. Absent: VP8. */
  video_codec?: VideoCodec;
  /** STUN and TURN servers to use. */
  ice_servers: Array<IceServer>;
  /**
   * When their credentials end, by the server's clock: ask for new ones by `GET /v1/ice-servers` before a call that may
   * outlast them. Absent: they do not end.
   */
  ice_expires_at?: Timestamp;
  /** This user's settings. */
  settings: Settings;
  /**
   * Which run of the server this is. Another one than before: the media of every call is gone, and has to be connected
   * anew; the calls themselves go on.
   */
  instance: string;
  /** Whether this server runs as a demo: `/v1/demo/…` works and `demo.people` comes. */
  demo: boolean;
};

/** The body of an HTTP answer that is an error. */
export type WireError = {
  /** What is wrong. */
  error: ErrorBody;
};

/** The WebSocket subprotocols: text frames, binary frames. */
export const SUBPROTOCOLS = {
  json: "tertulia.v1.json",
  msgpack: "tertulia.v1.msgpack",
  compact: "tertulia.v1.compact",
} as const;

/** Why the server closes a socket. 4000 to 4499: connect again and resume. 4500 to 4999: do not. */
export const CLOSE_CODES = {
  /** slow reader */
  slow_reader: 4000,
  /** no answer to ping */
  heartbeat_timeout: 4001,
  /** the server is restarting */
  draining: 4002,
  /** the server is full */
  busy: 4003,
  /** hello expected */
  hello_expected: 4500,
  /** not authenticated */
  unauthenticated: 4501,
  /** another socket has taken this device's place */
  displaced: 4502,
  /** too many bad frames */
  protocol_violation: 4503,
  /** frame too large */
  frame_too_large: 4504,
  /** too many requests */
  rate_limited: 4505,
  /** this device's access has ended */
  revoked: 4506,
} as const;

/** What a client can do about each error. */
export const ERROR_CLASSES: Record<ErrorCode, ErrorClass> = {
  bad_frame: "invalid",
  hello_expected: "invalid",
  request_id_not_rising: "invalid",
  token_invalid: "reauth",
  token_expired: "reauth",
  forbidden: "forbidden",
  not_found: "invalid",
  bad_request: "invalid",
  unknown_user: "invalid",
  unknown_call: "invalid",
  call_self: "invalid",
  already_in_call: "invalid",
  call_state_mismatch: "invalid",
  call_over: "invalid",
  call_answered_elsewhere: "invalid",
  phone_invalid: "invalid",
  pin_wrong: "invalid",
  registration_over: "invalid",
  pin_not_sent: "retry",
  link_over: "invalid",
  primary_only: "forbidden",
  account_only: "forbidden",
  tls_required: "forbidden",
  sdp_invalid: "invalid",
  rate_limited: "retry_after",
  too_many_outstanding: "limit",
  too_large: "limit",
  server_full: "limit",
  call_full: "limit",
  too_many_connections: "limit",
  too_many: "limit",
  unknown_conversation: "invalid",
  not_addable: "forbidden",
  invite_over: "invalid",
  call_link_over: "invalid",
  turned_away: "retry_after",
  waiting_full: "limit",
  client_id_reused: "invalid",
  no_mailbox: "invalid",
  push_refused: "invalid",
  message_not_stored: "retry",
  media_too_large: "limit",
  media_too_long: "limit",
  media_too_many_pixels: "limit",
  media_too_complex: "limit",
  media_unsupported: "invalid",
  media_damaged: "invalid",
  media_empty: "invalid",
  media_encrypted: "invalid",
  media_external: "invalid",
  media_checksum_mismatch: "retry",
  media_length_mismatch: "retry",
  media_stalled: "retry",
  media_quota: "limit",
  media_busy: "retry_after",
  media_store_unavailable: "retry",
  media_timed_out: "invalid",
  media_out_of_memory: "invalid",
  media_worker_crashed: "invalid",
  media_sandbox_unavailable: "internal",
  media_cancelled: "invalid",
  media_not_ready: "invalid",
  media_opened: "invalid",
  claim_over: "invalid",
  upload_offset: "resync",
  upload_locked: "retry",
  draining: "retry",
  internal: "internal",
};

/** A sentence for people about each error. */
export const ERROR_SENTENCES: Record<ErrorCode, string> = {
  bad_frame: "The frame could not be read.",
  hello_expected: "The first frame must be hello, and only the first.",
  request_id_not_rising: "The request's id is not higher than the one before it.",
  token_invalid: "The token is not valid.",
  token_expired: "The token has expired.",
  forbidden: "You may not do this.",
  not_found: "There is no such thing here.",
  bad_request: "The request could not be understood.",
  unknown_user: "There is no such person here.",
  unknown_call: "There is no such call.",
  call_self: "You can't call yourself.",
  already_in_call: "This device is already in a call.",
  call_state_mismatch: "The call is not in a state where this is possible.",
  call_over: "The call has ended.",
  call_answered_elsewhere: "The call was answered on another device.",
  phone_invalid: "This is not a phone number. Write it with its country code, as in +34 612 345 678.",
  pin_wrong: "The PIN is not right.",
  registration_over: "This PIN can't be used any more. Ask for a new one.",
  pin_not_sent: "The PIN could not be sent. Try again.",
  link_over: "This code is not valid any more. Make a new one on the other device.",
  primary_only: "Only your main device may do this.",
  account_only: "This needs an account on this server.",
  tls_required: "Use https: this server takes no plain HTTP from elsewhere.",
  sdp_invalid: "The offer could not be used.",
  rate_limited: "Too many requests.",
  too_many_outstanding: "Too many requests are waiting for an answer.",
  too_large: "This is too large.",
  server_full: "The server can't take another call now.",
  call_full: "This call is full.",
  too_many_connections: "Too many connections.",
  too_many: "You can't add more of these. Remove one first.",
  unknown_conversation: "There is no such conversation.",
  not_addable: "This person can't be added. Send them an invitation.",
  invite_over: "This invitation is not valid any more.",
  call_link_over: "This call link is not valid any more.",
  turned_away: "The host has not let you in.",
  waiting_full: "Too many people are waiting to be let in.",
  client_id_reused: "This message's id was used for another one.",
  no_mailbox: "This device takes no messages.",
  push_refused: "Notifications can't be sent to this browser.",
  message_not_stored: "The message could not be sent. Try again.",
  media_too_large: "This file is too large.",
  media_too_long: "This is too long.",
  media_too_many_pixels: "This picture has too many pixels.",
  media_too_complex: "This file is too complex to be opened safely.",
  media_unsupported: "This kind of file can't be played. Send it as a document.",
  media_damaged: "This file is damaged.",
  media_empty: "There is nothing in this file.",
  media_encrypted: "This file is copy-protected.",
  media_external: "This file refers to other files, which is not allowed.",
  media_checksum_mismatch: "The file was damaged on its way. Send it again.",
  media_length_mismatch: "The file's length is not what was announced.",
  media_stalled: "The upload stopped for too long.",
  media_quota: "Your storage is full. Delete something first.",
  media_busy: "Too many files are being handled. Try again in a moment.",
  media_store_unavailable: "The file could not be stored. Try again.",
  media_timed_out: "It took too long to open this file.",
  media_out_of_memory: "This file needs too much memory to be opened.",
  media_worker_crashed: "This file could not be opened safely.",
  media_sandbox_unavailable: "This server can't open media safely, so it does not.",
  media_cancelled: "It was cancelled.",
  media_not_ready: "This is not ready yet.",
  media_opened: "This was opened already.",
  claim_over: "This has to be uploaded.",
  upload_offset: "The upload goes on from another place.",
  upload_locked: "This upload is being written by another request.",
  draining: "The server is restarting.",
  internal: "Something went wrong on the server.",
};
