// Errors as the SDK throws them: the server's, with its code and class, and a few of the client's own.

import { ERROR_CLASSES, ERROR_SENTENCES, type ErrorBody, type ErrorClass, type ErrorCode } from "./proto.js";

/** Codes that no server sends. */
export type LocalCode =
  /** The client is closed. */
  | "closed"
  /** The file that is sent was moved or changed since it was chosen. */
  | "file_unreadable"
  /** The session ended before the request was answered; whether it was done is not known. */
  | "session_lost"
  /** There is no room left on this device. */
  | "storage_full"
  /** The browser keeps nothing for this page: it is private, or forbids it. */
  | "storage_unavailable"
  /** The server can't be reached, or what answered is no Tertulia server. */
  | "unreachable";

const LOCAL: Record<LocalCode, [ErrorClass, string]> = {
  closed: ["invalid", "The client is closed."],
  file_unreadable: ["invalid", "The file can't be read any more."],
  session_lost: ["retry", "The connection was lost before the server answered."],
  storage_full: ["limit", "There is no room left on this device."],
  storage_unavailable: ["invalid", "This browser keeps nothing for this page."],
  unreachable: ["retry", "The server can't be reached."],
};

export class TertuliaError extends Error {
  override readonly name = "TertuliaError";
  readonly code: ErrorCode | LocalCode;
  /** What can be done about it. */
  readonly class: ErrorClass;
  readonly limit: number | undefined;
  readonly actual: number | undefined;
  readonly retryAfterMs: number | undefined;

  /** As it came. */
  readonly body: ErrorBody;

  constructor(body: ErrorBody) {
    super(body.message);
    this.body = body;
    this.code = body.code;
    this.class = body.class;
    this.limit = body.limit;
    this.actual = body.actual;
    this.retryAfterMs = body.retry_after_ms;
  }

  /** An error that the client itself notices. */
  static local(code: LocalCode): TertuliaError {
    const [klass, message] = LOCAL[code];
    return new TertuliaError({ code: code as ErrorCode, class: klass, message });
  }

  /** An error of a known code, when the server gave no body. */
  static of(code: ErrorCode): TertuliaError {
    return new TertuliaError({ code, class: ERROR_CLASSES[code], message: ERROR_SENTENCES[code] });
  }
}
