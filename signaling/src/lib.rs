//! WebSocket and HTTP gateway: tokens, sessions, dispatch.
