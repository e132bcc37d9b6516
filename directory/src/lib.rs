//! Durable facts about people: users, devices, API keys, calls.
