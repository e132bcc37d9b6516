// Call links: addresses by which people come into a call whom nobody has asked in. Going in by one is `client.joinByLink`.

import { TertuliaError } from "./errors.js";
import { askAs, type Bearer } from "./http.js";
import type { CallLink, CallLinkNew, CallLinkPeek, CallLinks } from "./proto.js";
import type { Session } from "./session.js";

/** What a signed-in person can do with call links. `client.callLinks` is one. */
export class CallLinksApi {
  readonly #server: string;
  readonly #bearer: Bearer;
  readonly #session: Session;

  constructor(server: string, bearer: Bearer, session: Session) {
    this.#server = server;
    this.#bearer = bearer;
    this.#session = session;
  }

  /** Makes one. Its address is `/call/` and its token, on the page's host. */
  make(link: CallLinkNew): Promise<CallLink> {
    return askAs<CallLink>(this.#bearer, this.#server, "POST", "/v1/call-links", { body: link });
  }

  /** This user's links that are good, the newest first. */
  async list(): Promise<CallLink[]> {
    return (await askAs<CallLinks>(this.#bearer, this.#server, "GET", "/v1/call-links")).links;
  }

  /** From then on nobody new comes in by it; who is in stays. */
  async revoke(callLinkId: string): Promise<void> {
    await askAs(this.#bearer, this.#server, "DELETE", `/v1/call-links/${encodeURIComponent(callLinkId)}`);
  }

  /** What one would come into. `call_link_over`: nothing, any more. */
  async peek(token: string): Promise<CallLinkPeek> {
    const { link } = await this.#session.request({ type: "call.peek", link: token });
    if (!link) throw TertuliaError.of("internal");
    return link;
  }
}
