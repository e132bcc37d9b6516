//! The command line: `run` (also without a word), `check-config`, `token`, `doctor`, `healthcheck`.

use crate::config::{Config, api_keys, signing_key_id};
use crate::http::{Files, check_certificate};
use crate::{doctor, logs, run};
use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tertulia_common::UserId;
use tertulia_signaling::auth::DisplayName;

/// How long the runtime may take to let go of its threads after the drain: what blocks by then is given up.
const RUNTIME_END: Duration = Duration::from_millis(200);

/// A self-hosted server for calls.
#[derive(Parser)]
#[command(name = "tertulia", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (what happens without a command, too).
    #[command(visible_alias = "serve")]
    Run(Run),
    /// Say whether the configuration holds, and what is in force.
    CheckConfig(Source),
    /// Make a token for a user, to sign in with.
    Token(Token),
    /// Look at this machine and the configuration, and say what is in the way of calls and what to do.
    Doctor(Doctor),
    /// Fail unless the program of this configuration runs and is ready (for containers).
    Healthcheck(Source),
}

#[derive(Args)]
struct Doctor {
    #[command(flatten)]
    source: Source,
    /// For machines to read.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Source {
    /// The configuration file (TOML). Without one, defaults and environment variables count.
    #[arg(long, env = "TERTULIA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    source: Source,
    /// For a trial at home: HTTPS on the local network with a certificate of this machine's own, and sign-in by name.
    #[arg(long)]
    lan: bool,
    /// Write the bound addresses here, as JSON, once everything listens.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[derive(Args)]
struct Token {
    #[command(flatten)]
    source: Source,
    /// Who the token is for: the app's own id of the user.
    #[arg(long, value_name = "ID")]
    user: UserId,
    /// What the others see. Without one, the user keeps the name they have.
    #[arg(long, value_name = "NAME", value_parser = display_name)]
    name: Option<DisplayName>,
    /// How long it is good for: 90s, 15m, 1h, 7d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = time)]
    ttl: Duration,
    /// The API key that signs it. Without one, the first of the configuration that can, else the server's own.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

/// Does what the command line says.
pub(crate) fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(Run { source, lan, ready_file }) => {
            let load = if lan { Config::load_for_lan } else { Config::load };
            let config = load(source.config.as_deref())?;
            logs::start(&config.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(config.http.threads())
                .enable_all()
                .build()?;
            let ended = runtime.block_on(run::run(&config, ready_file.as_deref()));
            runtime.shutdown_timeout(RUNTIME_END);
            ended
        }
        Command::CheckConfig(source) => {
            let config = Config::load(source.config.as_deref())?;
            config.check_files()?;
            if let Some((cert, key)) = config.tls.files() {
                check_certificate(&Files { cert: cert.to_owned(), key: key.to_owned() })?;
            }
            let text = toml::to_string(&config)?;
            Ok(write!(std::io::stdout(), "# The configuration holds. In force, defaults included:\n{text}")?)
        }
        Command::Doctor(Doctor { source, json }) => doctor::examine(source.config.as_deref(), json),
        Command::Healthcheck(source) => doctor::healthcheck(source.config.as_deref()),
        Command::Token(token) => {
            let config = Config::load(token.source.config.as_deref())?;
            let keys = api_keys(&config)?;
            let key = match &token.key {
                Some(key) => key,
                None => signing_key_id(&config)?,
            };
            let text = keys.mint(key, &token.user, token.name.as_ref(), token.ttl)?;
            Ok(writeln!(std::io::stdout(), "{text}")?)
        }
    }
}

fn display_name(text: &str) -> Result<DisplayName, &'static str> {
    DisplayName::parse(text).ok_or("a name has 1 to 40 characters")
}

fn time(text: &str) -> anyhow::Result<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().context("write a number and s, m, h or d, like 1h")?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => bail!("write a number and s, m, h or d, like 1h"),
    };
    match number.checked_mul(seconds) {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => bail!("at least 1s, and not for ever"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(time("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(time("7d").unwrap(), Duration::from_secs(604_800));
        for bad in ["", "h", "1", "0s", "1y", "-1h", "99999999999999999999d", "999999999999999999d"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
