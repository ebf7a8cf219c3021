//! Where Redis is, and how it is connected to.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::super::OPERATION_TIMEOUT;

/// Time for a new connection, TLS and authentication included. Nobody waits for it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that may wait for the socket; each is answered or times out by itself.
const PIPELINE_BUFFER: usize = 4_096;

/// How to reach Redis.
#[derive(Clone, Copy, Debug)]
pub struct RedisSettings<'a> {
    /// One URL; for a cluster any number of its nodes. They may hold a password.
    pub urls: &'a [&'a str],
    /// Redis runs in cluster mode.
    pub cluster: bool,
}

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Target {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

/// A connection that many callers share; a clone is another handle on it.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Target {
    /// `urls` are `redis://` or `rediss://`, one for a single server, any number for a cluster.
    ///
    /// # Errors
    /// A URL that cannot be read. The error names no part of it: it may hold a password.
    pub(super) fn new(urls: &[&str], cluster: bool) -> Result<Self, &'static str> {
        let invalid = |_: RedisError| "not a Redis URL; expected redis://[user:password@]host:port";
        if cluster {
            let client = ClusterClient::builder(urls.iter().copied())
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(OPERATION_TIMEOUT)
                // Redirections count as retries too; the time is bounded above all of them.
                .retries(3)
                .min_retry_wait(5)
                .max_retry_wait(50)
                .overall_response_timeout(None)
                .build()
                .map_err(invalid)?;
            Ok(Self::Cluster(Box::new(client)))
        } else {
            match urls {
                [url] => Client::open(*url)
                    .map(|client| Self::Single(Box::new(client)))
                    .map_err(invalid),
                _ => Err("one URL, or `cluster = true` for several"),
            }
        }
    }

    /// Whether it leads to a cluster.
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// A new connection; the caller bounds the time it takes.
    pub(super) async fn connect(&self) -> Result<Connection, RedisError> {
        match self {
            Self::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CONNECT_TIMEOUT))
                    .set_response_timeout(Some(OPERATION_TIMEOUT))
                    .set_pipeline_buffer_size(PIPELINE_BUFFER);
                let connection = client.get_multiplexed_async_connection_with_config(&config);
                connection.await.map(Connection::Single)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}
