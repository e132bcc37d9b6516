//! The reference of standard peers: programs that publish into a call or play it.

use crate::markdown::Call;

/// Their HTTP calls.
pub(crate) const CALLS: &[Call] = &[
    Call {
        what: "POST /v1/whip/{room}",
        about: "Publishes into a group call by WHIP (RFC 9725). `room` is the id of a call that goes on, or of a group: then it is the call of \
                that group, which begins where there is none, without ringing. The body is an offer (`application/sdp`) whose lines send: one \
                for the voice, one for a camera, one more for a screen. 201, with the answer as `application/sdp`: all candidates are in it. \
                `location` is the resource, `etag` its ICE session, `link` names STUN and TURN servers. Whoever publishes is in the call as a \
                device of the token's user (`whip-…`), beside their others, and may do so where `call.join` may. `not_found` and \
                `unknown_call` (404): there is no such call or group for this user. 400: no offer, or one that sends nothing; 406: no SDP is \
                accepted; 413; 415; 503 with `retry-after`: no place now. The resource goes by DELETE, half a minute after its media have \
                fallen silent, with its call, and with the device whose token it was made by. OPTIONS tells `accept-post`, and the servers \
                to who has a token. Needs a token.",
        body: None,
        answer: None,
    },
    Call {
        what: "PATCH /v1/whip/{room}/{resource}",
        about: "Trickle ICE and restarts of ICE, as `application/trickle-ice-sdpfrag` (RFC 8840). `if-match` names the ICE session, or is `*`: \
                428 without, 412 with another one. Candidates are answered by 204 (the server needs none: it learns where a peer is by its \
                checks), other credentials by 200 with the server's, and a new `etag`; its credentials are another set then, its DTLS goes \
                on. 409 while another restart is under way. Needs a token of the user's.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/whip/{room}/{resource}",
        about: "Ends it. 200. Needs a token of the user's: for anybody else it is not there.",
        body: None,
        answer: None,
    },
    Call {
        what: "POST /v1/whep/{room}",
        about: "Plays a group call by WHEP (draft-ietf-wish-whep-03). As above, but for a call that goes on: each line of the offer that \
                receives is given a voice (those who speak) or a picture, in the order in which they came, as far as there are lines. Needs a \
                token.",
        body: None,
        answer: None,
    },
    Call {
        what: "PATCH /v1/whep/{room}/{resource}",
        about: "As with WHIP. Needs a token of the user's.",
        body: None,
        answer: None,
    },
    Call {
        what: "DELETE /v1/whep/{room}/{resource}",
        about: "Ends it. 200. Needs a token of the user's.",
        body: None,
        answer: None,
    },
];
