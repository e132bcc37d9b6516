// What a device keeps of messages, and how a page sees it.
//
// A conversation has a key of this device's own (`user:bob`): one can write to somebody before the server has a name for it.

import type { ClientMessageId, Content, ErrorCode, GapReason, MediaTreatment, Recipient } from "../proto.js";
import type { GroupFacts } from "./group.js";

/** A conversation as a list shows it. */
export interface Conversation {
  /** This device's name for it. */
  key: string;
  /** The server's. Absent until it is known that the server has it. */
  id?: string;
  /** To whom one writes in it. */
  to: Recipient;
  /** The highest place that is kept here. Places here are the server's plus `base`. */
  seq: number;
  /**
   * A server that was restored has no messages, and counts from 1 again: from then on, how many places there were before.
   * Absent: 0.
   */
  base?: number;
  /** Up to where this user has read it, on whichever device. */
  read: number;
  /** Up to where the server knows that. */
  told: number;
  /** Messages of others above `read`. Counted up to `UNREAD_MAX`. */
  unread: number;
  /** The newest message, the unsent ones included. */
  last?: LastMessage;
  /** Of a group: what is known of it. */
  group?: GroupFacts;
}

export interface LastMessage {
  /** Absent: not sent yet. */
  seq?: number;
  from: string;
  at: number;
  content: Content;
  failed?: FailureCode;
}

/** A message that the server has. */
export interface KeptMessage {
  key: string;
  seq: number;
  from: string;
  /** By the server's clock. */
  at: number;
  content: Content;
  /** This device has sent it. */
  clientId?: ClientMessageId;
}

/** A message that waits to be sent, or was refused for good. */
export interface Unsent {
  /** Its place in the queue. */
  n: number;
  key: string;
  to: Recipient;
  clientId: ClientMessageId;
  content: Content;
  /** By this device's clock, set to the server's. */
  at: number;
  failed?: FailureCode;
  /** Of a limit that was passed, where one was. */
  figures?: Figures;
  /** It carries a file, which goes first. */
  upload?: Upload;
}

/** What was too much, and how much there may be. */
export interface Figures {
  limit?: number;
  actual?: number;
}

/** A file on its way to the server, for a message that waits for it. */
export interface Upload {
  /** Where this device keeps it, until the message is sent. */
  file: string;
  as: MediaTreatment;
  name?: string;
  /** For one look. */
  once?: boolean;
  /** Where it can be resumed. */
  location?: string | undefined;
  /** The server has all of it. */
  mediaId?: string | undefined;
  /** And it can be had: the message may go. */
  ready?: boolean;
  /** The server had it once, and has forgotten it. */
  again?: boolean;
}

/** How far a file is. */
export interface UploadProgress {
  /** `waiting`: for others, or for the network. `processing`: the server has it and makes it playable. */
  stage: "waiting" | "sending" | "processing";
  /** Of the stage, 0 to 1. */
  done: number;
}

/** Why a message will not be sent: the server's word. */
export type FailureCode = ErrorCode;

/** How far somebody has come in a conversation. */
export interface Watermark {
  /** The server's name of the conversation. */
  id: string;
  /** `EVERYBODY`: all others of a group. */
  user: string;
  delivered: number;
  read: number;
}

/** In place of a user: everybody else in a group. No user is called so. */
export const EVERYBODY = "*";

/** Where an own message stands; `received` for those of others. */
export type MessageState = "pending" | "failed" | "sent" | "delivered" | "read" | "received";

/** A message as a conversation shows it. */
export interface ChatMessage {
  /** Stays the same while the message is sent: for lists. */
  ref: string;
  /** Its place; absent while it is not sent. */
  seq?: number;
  from: string;
  /** When, by the server's clock. */
  at: number;
  content: Content;
  state: MessageState;
  /** `failed`: why. */
  failed?: FailureCode;
  figures?: Figures;
  /** `failed`: for `retry` and `discard`; with `upload`: for `cancel` and `fileOf`. */
  n?: number;
  /** Its file is on its way. */
  upload?: UploadProgress;
}

/** A part of a conversation: its end, or what comes before. */
export interface Thread {
  /** By place; then what is not sent. */
  messages: ChatMessage[];
  /** There is more before. */
  more: boolean;
}

/** Something was given up before it came here. */
export interface Lost {
  reason: GapReason;
  /** When it was noticed, by this device's clock. */
  at: number;
}

/**
 * Why messages do not work here now. `unavailable`: the browser keeps nothing for this page. `full`: it has no room left; what
 * has come waits at the server. `no_mailbox`: the server takes no messages from this device, there are too many of this person.
 */
export type MessagesProblem = "unavailable" | "full" | "no_mailbox";

/** The key of a conversation with one person. */
export function keyOfUser(userId: string): string {
  return `user:${userId}`;
}

/** The key of a group. */
export function keyOfGroup(groupId: string): string {
  return `group:${groupId}`;
}
