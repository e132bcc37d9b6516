//! The doors: where people, the operator, and those who come in plain are heard, and with which certificate.
//!
//! Invariant: everything is bound and its certificate read before anything is served: a start fails whole.

use crate::config::Config;
use crate::http::{self, Door, Figures, Files, Front, Keeper, Limits, Tls, TlsFigures};
use anyhow::Context as _;
use axum::Router;
use prometheus_client::registry::Registry;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The operator's listener serves a few tools.
const OPERATOR_CONNECTIONS_MAX: u32 = 64;

/// The doors, not open yet.
pub(crate) struct Doors {
    people: TcpListener,
    redirect: Option<TcpListener>,
    operator: TcpListener,
    tls: Option<(Tls, Keeper)>,
    figures: Arc<Figures>,
    tls_figures: Arc<TlsFigures>,
    /// SIGHUP is ours: to read the certificate again.
    heeds_hangup: bool,
}

impl Doors {
    /// Binds all of them. For a trial on a local network another port does as well, and a closed terminal (SIGHUP) ends it.
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let on_lan = config.lan.is_some();
        let tls_figures = Arc::new(TlsFigures::default());
        let tls = config.tls.files().map(|(cert, key)| {
            let files = Files { cert: cert.to_owned(), key: key.to_owned() };
            Tls::open(&config.tls, files, Arc::clone(&tls_figures))
        });
        let people = match bind(config.http.listen, "http.listen").await {
            Err(error) if on_lan => {
                tracing::warn!("{error:#}: another port is taken instead");
                bind((config.http.listen.ip(), 0).into(), "http.listen").await
            }
            bound => bound,
        };
        let redirect = match config.tls.redirect_listen {
            Some(address) => Some(bind(address, "tls.redirect_listen").await?),
            None => None,
        };
        let operator = match bind(config.operator.listen, "operator.listen").await {
            Err(error) if on_lan => {
                tracing::warn!("{error:#}: another port is taken instead");
                bind((config.operator.listen.ip(), 0).into(), "operator.listen").await
            }
            bound => bound,
        };
        Ok(Self {
            people: people?,
            redirect,
            operator: operator?,
            tls: tls.transpose()?,
            figures: Arc::default(),
            tls_figures,
            heeds_hangup: !on_lan,
        })
    }

    /// Adds their figures to the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.figures.register(registry);
        if self.tls.is_some() {
            self.tls_figures.register(registry);
        }
    }

    /// Opens them.
    pub(crate) fn open(self, config: &Config, people: Router, operator: Router) -> anyhow::Result<Listeners> {
        let addresses = Addresses {
            people: self.people.local_addr()?,
            redirect: self.redirect.as_ref().map(TcpListener::local_addr).transpose()?,
            operator: self.operator.local_addr()?,
        };
        let limits = Limits::from(&config.http);
        let operator_limits = Limits {
            connections_max: OPERATOR_CONNECTIONS_MAX,
            connections_per_address_max: OPERATOR_CONNECTIONS_MAX,
            ..limits
        };
        let door = |front, router, limits, figures| Door { front, router, limits, figures, tls: None };
        let figures = &self.figures;
        let front = Front::people(config, addresses.people);
        let mut of_people = vec![];
        let mut door_of_people = door(front, people, limits, Arc::clone(figures));
        if let Some((tls, keeper)) = self.tls {
            door_of_people.tls = Some(tls);
            let hangups = self.heeds_hangup.then(|| signal(SignalKind::hangup())).transpose()?;
            of_people.push(Listener::spawn(|stop| keeper.keep(hangups, stop)));
        } else if !std::io::stdin().is_terminal() {
            // A service is told to read its files again: it must not end, only because there are none.
            let hangups = signal(SignalKind::hangup())?;
            of_people.push(Listener::spawn(|stop| ignore(hangups, stop)));
        }
        of_people.push(Listener::spawn(|stop| http::serve(self.people, door_of_people, stop)));
        if let Some(lan) = &config.lan {
            let (lan, folder) = (lan.clone(), config.data.dir.clone());
            of_people.push(Listener::spawn(async move |stop| {
                stop.run_until_cancelled(lan.renew(folder)).await;
            }));
        }
        if let Some(redirect) = self.redirect {
            let front = Front::redirect(config, addresses.people);
            let door = door(front, Router::new(), limits, Arc::clone(figures));
            of_people.push(Listener::spawn(|stop| http::serve(redirect, door, stop)));
        }
        let door_of_operator = door(Front::Operator, operator, operator_limits, Arc::default());
        let operator = Listener::spawn(|stop| http::serve(self.operator, door_of_operator, stop));
        Ok(Listeners { people: of_people, operator, addresses })
    }
}

async fn ignore(mut hangups: Signal, stop: CancellationToken) {
    while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
        tracing::info!("SIGHUP: there is no certificate to read again");
    }
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{option} = {address}"))
}

/// Where they are.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) people: SocketAddr,
    pub(crate) redirect: Option<SocketAddr>,
    pub(crate) operator: SocketAddr,
}

/// The doors, open.
pub(crate) struct Listeners {
    people: Vec<Listener>,
    operator: Listener,
    pub(crate) addresses: Addresses,
}

impl Listeners {
    /// Closes those of the people, when what is under way has its answer. The operator's is for the caller to end last, so
    /// that it can be seen how the rest goes.
    pub(crate) async fn end_people(self) -> Listener {
        self.people.iter().for_each(|listener| listener.stop.cancel());
        for listener in self.people {
            listener.end().await;
        }
        self.operator
    }
}

/// A task that serves.
pub(crate) struct Listener {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Listener {
    fn spawn<F: Future<Output = ()> + Send + 'static>(serve: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(serve(stop.clone())), stop }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a listener broke");
        }
    }
}
