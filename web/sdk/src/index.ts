// @tertulia/sdk: place and take calls on a Tertulia server.

export { connect, Client, type ClientEvents, type ConnectOptions } from "./client.js";
export { Call } from "./call.js";
export { Conference, type ConferenceEvents, type Line, type Member, type Reaction } from "./conference.js";
export { CallLinksApi } from "./call-links.js";
export type { CallEvents, CallPhase, Ended, Hold, LinkOfCall, RemoteStreams } from "./call-types.js";
export { AccountApi, beginLink, register, verify, waitForLink, type WaitForLink } from "./account.js";
export { TertuliaError, type LocalCode } from "./errors.js";
export { callHistory, demoPeople, demoSignIn, iceServers, serverInfo, type Bearer } from "./http.js";
export { devices, LocalMedia, MediaProblem, type MediaFlags, type MediaPreferences, type ProblemReason } from "./media.js";
export { GroupsApi } from "./groups.js";
export { PushApi } from "./push.js";
export { isMissedCall, isServers } from "./messages/counting.js";
export { mayAs, roleIn, type GroupFacts } from "./messages/group.js";
export { CAPTION_CHARS_MAX, MessagesApi, type MessagesEvents, type MessagesOptions, type SendMediaOptions } from "./messages/api.js";
export type { ChatMessage, Conversation, FailureCode, Figures, Lost, MessagesProblem, MessageState, Thread, UploadProgress } from "./messages/types.js";
export { PresenceApi, type PresenceEvents, type PresenceOf, type TypingOf, type WatchList } from "./presence.js";
export type { Connection, VideoCodec } from "./peer.js";
export { gradeOf, GRADE_FROM, type Grade } from "./quality.js";
export type { Token } from "./opening.js";
export type { CloseCause, SessionState } from "./session.js";
export type { CallFigures, Level, StreamFigures } from "./stats.js";
export type { Unfinished, UploadMemory } from "./unfinished.js";
export { MediaApi, type MediaSession, type SignedMediaLink, type UploadOptions } from "./uploads.js";
export type * from "./proto.js";
