//! `bench relay`: the relay beside nginx and the bare upstream, in one interleaved run.
//!
//! ```text
//! core A: load generator ──► core B: subject ──► core A (or C): stand-in upstream
//!              └────────────── direct ─────────────────►┘
//! ```
//!
//! Each round measures every subject in every situation before the next round begins, so that
//! whatever else the machine does meets all of them alike.

mod goals;
mod scenario;
mod sections;

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cores::{Cores, pin_this_thread, stay_awake};
use crate::process::raise_file_limit;
use crate::redis::Redis;
use crate::results::Results;
use crate::subject::{Feature, Kind, Setting, Subject, peers};
use crate::upstream::Upstream;
use scenario::{Extent, Run, Scenario};

/// What was asked for on the command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) relay: PathBuf,
    /// Another build of it, measured as a row of its own.
    pub(crate) before: Option<PathBuf>,
    /// Where configurations, logs, results and installed peers go.
    pub(crate) folder: PathBuf,
    pub(crate) quick: bool,
    pub(crate) json: bool,
    pub(crate) peers: bool,
    pub(crate) rounds: Option<usize>,
    /// Names of the rows to measure; all when empty.
    pub(crate) only: Vec<String>,
    /// Ids of the sections to measure; all when empty.
    pub(crate) scenarios: Vec<String>,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let cores = Cores::plan()?;
    pin_this_thread(cores.generator)?;
    raise_file_limit();
    let folder = options.folder.join("run");
    // Logs of earlier runs can be gigabytes.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    // Programs under test read paths relative to folders of their own.
    let folder = std::path::absolute(folder)?;

    let mut kinds = vec![
        Kind::Direct,
        Kind::Nginx,
        Kind::Keyferry(Feature::Usual),
        Kind::Keyferry(Feature::Sealed),
        Kind::Keyferry(Feature::Unified),
        Kind::Keyferry(Feature::Quiet),
        Kind::Keyferry(Feature::Redis),
        Kind::NginxTls,
        Kind::Keyferry(Feature::Tls),
    ];
    if options.before.is_some() {
        kinds.push(Kind::Keyferry(Feature::Before));
    }
    let peers_folder = std::path::absolute(options.folder.join("peers"))?;
    if options.peers {
        eprintln!(
            "▸ installing the other gateways into {}",
            peers_folder.display()
        );
        peers::install(&peers_folder)?;
        kinds.extend([Kind::Portkey, Kind::LiteLlm]);
    }
    kinds.retain(|kind| {
        options.only.is_empty() || options.only.iter().any(|name| name == kind.name())
    });

    let redis = if kinds.iter().any(|kind| kind.uses_redis()) {
        Some(Redis::start(cores.redis, &folder)?)
    } else {
        None
    };
    let upstream = Upstream::start(&cores, &folder)?;
    tokio::task::spawn_local(stay_awake());
    let setting = Setting {
        cores,
        upstream: upstream.address,
        upstream_tls: upstream.tls,
        folder,
        relay: options.relay.clone(),
        before: options.before.clone(),
        peers: peers_folder,
        redis_url: redis.as_ref().map(Redis::url),
    };
    let mut extent = if options.quick {
        Extent::QUICK
    } else {
        Extent::FULL
    };
    extent.rounds = options.rounds.unwrap_or(extent.rounds);

    let mut subjects = Vec::new();
    for kind in kinds {
        eprintln!("▸ starting {}", kind.name());
        subjects.push(kind.start(&setting).await?);
    }
    let mut run = Run {
        extent,
        setting,
        upstream,
        redis,
        results: Results::default(),
    };
    for round in 1..=extent.rounds {
        eprintln!("▸ round {round} of {}", extent.rounds);
        for scenario in Scenario::ALL {
            let id = scenario.section().id;
            if !options.scenarios.is_empty() && !options.scenarios.iter().any(|name| name == id) {
                continue;
            }
            for subject in &subjects {
                let measured = run.measure(scenario, subject).await;
                let named = measured.with_context(|| {
                    format!("{}: {}", subject.kind.name(), scenario.section().title)
                });
                match named {
                    // What another gateway cannot do is left out of its row.
                    Err(error) if !subject.kind.must_be_exact() => eprintln!("  {error:#}"),
                    outcome => outcome?,
                }
            }
        }
    }
    report(&run, &subjects, &options)
}

fn report(run: &Run, subjects: &[Subject], options: &Options) -> Result<()> {
    let mut text = format!(
        "{} round(s), medians; {}.\nBrackets: multiples of nginx's (×), or what is added to direct (+).\n\n",
        run.extent.rounds,
        run.setting.cores.describe()
    );
    for section in sections::ALL {
        if run.results.is_empty(section) {
            continue;
        }
        text.push_str(&run.results.table(section));
        text.push('\n');
    }
    text.push_str(&goals::describe(&run.results));
    let data = json!({
        "rounds": run.extent.rounds,
        "quick": options.quick,
        "cores": run.setting.cores.describe(),
        "subjects": subjects.iter().map(|subject| subject.kind.name()).collect::<Vec<_>>(),
        "sections": run.results.json(&sections::ALL),
        "goals": goals::json(&run.results),
    });
    crate::output::publish(
        &text,
        &data,
        options.json,
        &options.folder.join("relay.json"),
    )
}
