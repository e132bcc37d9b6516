// Generated from signaling/proto: cargo run -p tertulia-signaling-proto --bin reference. Do not edit.

/** How much of the session a client has received. */
export type Ack = {
  /** Frames received in this session, `welcome` and `ping` not counted. */
  received: number;
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

/** A call is over for this device. */
export type CallEnded = {
  /** Which call. */
  call_id: CallId;
  /** Why. */
  reason: EndReason;
  /** From answer to end, in milliseconds; zero if it was not answered. */
  duration_ms: number;
};

/** `GET /v1/calls`: this user's calls, newest first. */
export type CallHistory = {
  /** One page. */
  calls: Array<CallRecord>;
  /** Pass as `?before=` for the next page; absent on the last. */
  next?: CallId;
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

/** How well the media of a call flows. */
export type CallQuality = {
  /** Which call. */
  call_id: CallId;
  /** Figures of everyone who is in. */
  participants: Array<ParticipantQuality>;
};

/** A call that has ended. */
export type CallRecord = {
  /** Which call. */
  call_id: CallId;
  /** Which way it went. */
  direction: Direction;
  /** The other side. */
  peer: Person;
  /** By voice or by video. */
  media: MediaKind;
  /** When it was placed. */
  started_at: Timestamp;
  /** When it ended. */
  ended_at: Timestamp;
  /** Why it ended. */
  reason: EndReason;
  /** From answer to end, in milliseconds; zero if it was not answered. */
  duration_ms: number;
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
  /** Everyone who is in. */
  participants: Array<RosterEntry>;
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
  /** The other side. */
  peer: Person;
  /** Whether this user placed the call. */
  outgoing: boolean;
  /** What it started as. */
  media: MediaKind;
  /** Where it stands. */
  phase: Phase;
  /** When it was answered. */
  answered_at?: Timestamp;
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

/** What a client can do. Unknown entries are ignored, absent ones are "no". */
export type Caps = {
  /** It can ring: it takes calls. A back end or a test that only places calls says no. */
  rings: boolean;
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
  | { type: "call.media" } & CallMedia;

/** Why a device declines. */
export type DeclineReason = "declined" | "busy";

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

/** One device of a user: unique within that user only, chosen by the client and kept by it. */
export type DeviceId = string;

/** Which way a call went. */
export type Direction = "incoming" | "outgoing";

/** Another socket has taken this device's place. */
export type Displaced = Record<symbol, never>;

/** The server is about to go. */
export type Drain = {
  /** Sockets are closed after this many milliseconds. */
  deadline_ms: number;
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
  | "lost";

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
  | "sdp_invalid"
  | "rate_limited"
  | "too_many_outstanding"
  | "too_large"
  | "server_full"
  | "too_many_connections"
  | "draining"
  | "internal";

/** A refusal. */
export type ErrorFrame = {
  /** Of the request; absent when the frame could not be read that far. */
  id?: RequestId;
  /** What is wrong. */
  error: ErrorBody;
};

/** Who is calling. */
export type Hello = {
  /** A JWT minted with an API key. */
  token: string;
  /** This device, as the client named it when it was installed. Absent: the server names it, and says so in `welcome`. */
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
};

/** What a call started as. It can change during the call without new SDP. */
export type MediaKind = "voice" | "video";

/** A request was done. Which of the optional fields are there depends on the request. */
export type OkFrame = {
  /** Of the request. */
  id: RequestId;
  /** `call.invite`: the call. */
  call_id?: CallId;
  /** `call.connect`: the SDP answer. */
  sdp?: string;
  /** `call.connect`: the receive slots of the offer. */
  slots?: Array<Slot>;
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
};

/** A person as others see them. */
export type Person = {
  /** Their id. */
  user_id: UserId;
  /** Their display name. */
  name: string;
  /** Whether a device of theirs is connected now. Only where the asker may know. */
  online?: boolean;
};

/** Where a call stands. */
export type Phase = "offered" | "ringing" | "connecting" | "active" | "reconnecting";

/** Are you there? */
export type Ping = {
  /** The server's clock. */
  now: Timestamp;
};

/** Number of a request within its session: starts at 1 and rises. Below 2^53, so that every client can hold it. */
export type RequestId = number;

/** Goes on with an earlier session. */
export type Resume = {
  /** Which session, from its `welcome`. */
  session: SessionId;
  /** The secret of that `welcome`. */
  secret: string;
  /** How many frames of the session the client has received, `welcome` and `ping` not counted. */
  received: number;
};

/** One participant of a roster. */
export type RosterEntry = {
  /** Their display name. */
  name: string;
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
  | { type: "call.slots" } & CallSlots
  | { type: "call.quality" } & CallQuality
  | { type: "call.ended" } & CallEnded
  | { type: "call.missed" } & CallMissed
  | { type: "demo.people" } & DemoPeople;

/** One signalling session: a device's conversation with the server, which may outlive several sockets. */
export type SessionId = string;

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
export type Target = { "user": UserId };

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

/** A person, by the id that the app gave them (`sub` of its token) or that they signed in with. */
export type UserId = string;

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
  /** The server's clock. */
  now: Timestamp;
  /** Calls that go on for this device. */
  calls: Array<CallSnapshot>;
  /** Calls missed since this user last connected, oldest first. */
  missed_calls: Array<CallMissed>;
  /** STUN and TURN servers to use. */
  ice_servers: Array<IceServer>;
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
  sdp_invalid: "invalid",
  rate_limited: "retry_after",
  too_many_outstanding: "limit",
  too_large: "limit",
  server_full: "limit",
  too_many_connections: "limit",
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
  sdp_invalid: "The offer could not be used.",
  rate_limited: "Too many requests.",
  too_many_outstanding: "Too many requests are waiting for an answer.",
  too_large: "This is too large.",
  server_full: "The server can't take another call now.",
  too_many_connections: "Too many connections.",
  draining: "The server is restarting.",
  internal: "Something went wrong on the server.",
};
