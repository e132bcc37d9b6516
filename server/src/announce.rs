//! Says where the program is, to people and to programs, once everything listens.

use crate::config::Config;
use crate::lan::Issued;
use crate::listeners::Addresses;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;

/// Where everything is.
pub(crate) struct Place {
    listeners: Addresses,
    media: Vec<SocketAddr>,
    url: String,
}

impl Place {
    pub(crate) fn new(config: &Config, listeners: Addresses, media: &[SocketAddr]) -> Self {
        let Addresses { people, .. } = listeners;
        let (scheme, standard) = if config.tls.files().is_some() { ("https", 443) } else { ("http", 80) };
        let own = match people {
            people if people.ip().is_unspecified() => format!("localhost:{}", people.port()),
            people => people.to_string(),
        };
        let own = own.strip_suffix(&format!(":{standard}")).map(str::to_owned).unwrap_or(own);
        // Behind a proxy this is where the proxy finds us; people know the public name.
        let url = match (&config.lan, config.http.public_hosts.first()) {
            (Some(lan), _) => lan.url(people.port()),
            (None, Some(host)) => format!("https://{host}/"),
            (None, None) => format!("{scheme}://{own}/"),
        };
        Self { listeners, media: media.to_vec(), url }
    }

    pub(crate) fn announce(&self, config: &Config, issued: Option<&Issued>) -> std::io::Result<()> {
        let Addresses { people: http, operator, .. } = self.listeners;
        let demo = config.is_demo();
        let media = self.media.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let who = if demo { "everyone signs in with a name" } else { "people sign in with tokens" };
        tracing::info!(%http, %operator, udp = media, demo, "Tertulia is ready: open {} ({who})", self.url);
        if demo && config.is_reached_from_outside() {
            tracing::warn!("this is a demo: whoever reaches it signs in under any name");
        }
        let Some((lan, issued)) = config.lan.as_ref().zip(issued) else { return Ok(()) };
        let mut out = std::io::stdout();
        let in_color = out.is_terminal();
        out.write_all(lan.words(http.port(), issued, &config.data.dir, in_color).as_bytes())?;
        out.flush()
    }

    /// Whole or not at all: whoever waits for the file reads all of it.
    pub(crate) fn write_ready_file(&self, file: &Path) -> std::io::Result<()> {
        let Self { listeners: Addresses { people, redirect, operator }, media, url } = self;
        let redirect = redirect.map(|redirect| format!("\"redirect\":\"{redirect}\",")).unwrap_or_default();
        let media = media.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(",");
        let text = format!(
            "{{\"http\":\"{people}\",\"url\":\"{url}\",{redirect}\"operator\":\"{operator}\",\"media\":[{media}]}}\n"
        );
        let mut draft = file.as_os_str().to_owned();
        draft.push(".new");
        std::fs::write(&draft, text)?;
        std::fs::rename(&draft, file)
    }
}
