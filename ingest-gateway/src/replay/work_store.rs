//! What the one who works on a replay reads and writes. Every statement that changes something
//! finds nothing to change once the replay is another worker's: it holds the replay's row while
//! it runs, and no longer.

use jiff::{SignedDuration, Timestamp};
use pipeline::ids::DeliveryId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::made_anew::{self, Original};
use crate::replay::range::{Planned, RangePage};
use crate::replay::store::{self, Replay};
use crate::storage::{Storage, StorageError};

/// How long a replay is one worker's without another word from it. Whoever takes it over waits
/// for what the last one may have written, so this bounds how long a kill delays it, no more.
const LEASE_SQL: &str = "interval '15 seconds'";
/// A delivery that was planned so long ago and is not in the log is planned anew, with a new
/// acceptance: nobody can still be writing it.
const PLANNED_ANEW: SignedDuration = SignedDuration::from_hours(1);

/// A replay as its worker finds it.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub replay: Replay,
    /// Nothing of it is planned yet.
    pub is_new: bool,
}

/// A delivery that is planned and not known to be written.
#[derive(Debug, Clone)]
pub(crate) struct Unpublished {
    pub delivery_id: DeliveryId,
    pub accepted_at: Timestamp,
    /// `None` if it has gone with its day.
    pub original: Option<Original>,
}

/// How its worker ends a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplayEnd {
    /// Everything was written, and has ended.
    Done,
    /// It cannot go on, because of this.
    Failed(&'static str),
}

/// What of a replay is on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// Seen to have ended by this very look.
    pub ended_now: usize,
    pub unfinished: usize,
    pub unpublished: usize,
    /// How far it is planned.
    pub planned: Option<Planned>,
    pub planned_all: bool,
}

/// One worker's statements.
#[derive(Debug, Clone)]
pub(crate) struct WorkStore {
    storage: Storage,
    worker: Uuid,
}

impl WorkStore {
    /// `worker` names this process for as long as it lives.
    pub(crate) fn new(storage: Storage, worker: Uuid) -> Self {
        Self { storage, worker }
    }

    /// Takes over at most `most` replays that nobody works on, the oldest first.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn claim(&self, most: i64) -> Result<Vec<Claimed>, StorageError> {
        let sql = format!(
            "UPDATE replays SET worker = $1, leased_until = now() + {LEASE_SQL} WHERE id IN ( \
                 SELECT id FROM replays WHERE state = 'running' \
                     AND COALESCE(leased_until, '-infinity') < now() \
                 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
             RETURNING planned_to_at, planned_to_id, {}",
            store::COLUMNS
        );
        let rows = self.storage.query(&sql, &[&self.worker, &most]).await?;
        Ok(rows.iter().map(claimed).collect::<Result<_, _>>()?)
    }

    /// Lets others take this worker's replays over at once.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn release_all(&self) -> Result<(), StorageError> {
        let sql = "UPDATE replays SET leased_until = now() WHERE state = 'running' AND worker = $1";
        self.storage.query(sql, &[&self.worker]).await.map(|_| ())
    }

    /// Forgets what was on its way for a replay that somebody has ended.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn forget_ended(&self) -> Result<(), StorageError> {
        let sql = "DELETE FROM replay_deliveries AS told USING replays AS replay \
                   WHERE replay.id = told.replay_id AND replay.state <> 'running' \
                       AND replay.leased_until < now()";
        self.storage.query(sql, &[]).await.map(|_| ())
    }

    /// Notes how many there are.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn counted(&self, id: Uuid, total: i64) -> Result<(), StorageError> {
        let sql = "UPDATE replays SET total = $3 WHERE id = $1 AND worker = $2";
        self.storage.query(sql, &[&id, &self.worker, &total]).await.map(|_| ())
    }

    /// Extends the lease, notes what has ended, and says what is on its way; `None` if the
    /// replay is not this worker's any more, or has ended. What was accepted before `forgotten`
    /// and has no row has ended somehow.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn tally(
        &self,
        id: Uuid,
        forgotten: Timestamp,
    ) -> Result<Option<Tally>, StorageError> {
        let sql = format!(
            "WITH mine AS ( \
                 SELECT id FROM replays WHERE id = $1 AND worker = $2 AND state = 'running' \
                 FOR UPDATE), \
             ended AS ( \
                 DELETE FROM replay_deliveries AS told USING mine, deliveries AS made \
                 WHERE told.replay_id = mine.id AND told.published \
                     AND made.id = told.delivery_id AND made.accepted_at = told.accepted_at \
                     AND made.state IN ('delivered', 'dead_lettered', 'cancelled') \
                 RETURNING made.state), \
             vanished AS ( \
                 DELETE FROM replay_deliveries AS told USING mine \
                 WHERE told.replay_id = mine.id AND told.published AND told.accepted_at < $3 \
                     AND NOT EXISTS (SELECT FROM deliveries AS made \
                         WHERE made.id = told.delivery_id AND made.accepted_at = told.accepted_at) \
                 RETURNING told.delivery_id), \
             counts AS ( \
                 SELECT count(*) AS ended, \
                     count(*) FILTER (WHERE state = 'delivered') AS delivered, \
                     count(*) FILTER (WHERE state = 'dead_lettered') AS dead_lettered \
                 FROM ended) \
             UPDATE replays AS replay SET \
                 leased_until = now() + {LEASE_SQL}, updated_at = now(), \
                 finished = finished + counts.ended + (SELECT count(*) FROM vanished), \
                 delivered = replay.delivered + counts.delivered, \
                 dead_lettered = replay.dead_lettered + counts.dead_lettered \
             FROM mine, counts WHERE replay.id = mine.id \
             RETURNING counts.ended, planned_to_at, planned_to_id, planned_all"
        );
        let rows = self.storage.query(&sql, &[&id, &self.worker, &forgotten]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let ended_now: i64 = row.try_get(0)?;
        let (planned, planned_all) = (planned(row)?, row.try_get("planned_all")?);
        let sql = "SELECT count(*), count(*) FILTER (WHERE NOT published) \
                   FROM replay_deliveries WHERE replay_id = $1";
        let rows = self.storage.query(sql, &[&id]).await?;
        let row = rows.first().ok_or(StorageError::NoRow)?;
        let (unfinished, unpublished): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(Some(Tally {
            ended_now: ended_now as usize,
            unfinished: unfinished as usize,
            unpublished: unpublished as usize,
            planned,
            planned_all,
        }))
    }

    /// Notes a page of new deliveries, each an id of its own and its original, before any record
    /// of it is written.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn plan(
        &self,
        id: Uuid,
        page: &RangePage,
        ids: &[DeliveryId],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let sql = "\
            WITH mine AS ( \
                SELECT id FROM replays WHERE id = $1 AND worker = $2 AND state = 'running' \
                FOR UPDATE), \
            planned AS ( \
                INSERT INTO replay_deliveries (replay_id, delivery_id, accepted_at, original_id, \
                    original_accepted_at) \
                SELECT mine.id, page.delivery_id, $3, page.original_id, page.original_at \
                FROM mine, unnest($4::uuid[], $5::uuid[], $6::timestamptz[]) \
                    AS page (delivery_id, original_id, original_at) \
                ON CONFLICT DO NOTHING) \
            UPDATE replays AS replay SET planned_to_at = $7, planned_to_id = $8, \
                planned_all = $9 FROM mine WHERE replay.id = mine.id";
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let originals: Vec<Uuid> = page.found.iter().map(|found| found.id.uuid()).collect();
        let times: Vec<Timestamp> = page.found.iter().map(|found| found.accepted_at).collect();
        let Planned { at, id: last } = page.planned;
        self.storage
            .query(
                sql,
                &[&id, &self.worker, &now, &ids, &originals, &times, &at, &last, &page.is_last],
            )
            .await
            .map(|_| ())
    }

    /// Notes that what the projection has was written, though nobody had said so. The projection
    /// must have passed the end that the log had after the last record could be written.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn find_published(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let sql = "\
            WITH mine AS (SELECT id FROM replays WHERE id = $1 AND worker = $2 FOR UPDATE), \
            found AS ( \
                UPDATE replay_deliveries AS told SET published = true \
                FROM mine, deliveries AS made \
                WHERE told.replay_id = mine.id AND NOT told.published \
                    AND made.id = told.delivery_id AND made.accepted_at = told.accepted_at \
                RETURNING told.delivery_id), \
            late AS ( \
                UPDATE replay_deliveries AS told SET accepted_at = $3 FROM mine \
                WHERE told.replay_id = mine.id AND NOT told.published AND told.accepted_at < $4 \
                    AND NOT EXISTS (SELECT FROM deliveries AS made \
                        WHERE made.id = told.delivery_id AND made.accepted_at = told.accepted_at)) \
            UPDATE replays AS replay SET published = published + (SELECT count(*) FROM found) \
            FROM mine WHERE replay.id = mine.id";
        let long_ago = now - PLANNED_ANEW;
        self.storage.query(sql, &[&id, &self.worker, &now, &long_ago]).await.map(|_| ())
    }

    /// At most `most` of those that are not known to be written.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn unpublished(
        &self,
        id: Uuid,
        most: i64,
    ) -> Result<Vec<Unpublished>, StorageError> {
        let sql = format!(
            "SELECT told.delivery_id, told.accepted_at AS anew_at, {} \
             FROM replay_deliveries AS told LEFT JOIN deliveries AS original \
                 ON original.id = told.original_id \
                 AND original.accepted_at = told.original_accepted_at \
             WHERE told.replay_id = $1 AND NOT told.published \
             ORDER BY told.original_accepted_at, told.original_id LIMIT $2",
            made_anew::COLUMNS
        );
        let rows = self.storage.query(&sql, &[&id, &most]).await?;
        Ok(rows.iter().map(unpublished).collect::<Result<_, _>>()?)
    }

    /// Notes what the broker has, and what was left out.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn published(
        &self,
        id: Uuid,
        written: &[DeliveryId],
        skipped: &[DeliveryId],
    ) -> Result<(), StorageError> {
        let sql = "\
            WITH mine AS (SELECT id FROM replays WHERE id = $1 AND worker = $2 FOR UPDATE), \
            written AS ( \
                UPDATE replay_deliveries AS told SET published = true FROM mine \
                WHERE told.replay_id = mine.id AND NOT told.published \
                    AND told.delivery_id = ANY($3) \
                RETURNING told.delivery_id), \
            skipped AS ( \
                DELETE FROM replay_deliveries AS told USING mine \
                WHERE told.replay_id = mine.id AND told.delivery_id = ANY($4) \
                RETURNING told.delivery_id) \
            UPDATE replays AS replay SET \
                published = published + (SELECT count(*) FROM written), \
                skipped = replay.skipped + (SELECT count(*) FROM skipped), \
                updated_at = now() \
            FROM mine WHERE replay.id = mine.id";
        let uuids = |ids: &[DeliveryId]| ids.iter().map(|id| id.uuid()).collect::<Vec<Uuid>>();
        let (written, skipped) = (uuids(written), uuids(skipped));
        self.storage.query(sql, &[&id, &self.worker, &written, &skipped]).await.map(|_| ())
    }

    /// Ends a replay of this worker's.
    ///
    /// # Errors
    /// Postgres is away.
    pub(crate) async fn end(&self, id: Uuid, end: ReplayEnd) -> Result<(), StorageError> {
        let (state, error) = match end {
            ReplayEnd::Done => ("done", None),
            ReplayEnd::Failed(error) => ("failed", Some(error)),
        };
        let sql = "UPDATE replays SET state = $3, error = $4, ended_at = now(), \
                       updated_at = now(), leased_until = now() \
                   WHERE id = $1 AND worker = $2 AND state = 'running'";
        self.storage.query(sql, &[&id, &self.worker, &state, &error]).await.map(|_| ())
    }
}

fn claimed(row: &Row) -> Result<Claimed, tokio_postgres::Error> {
    Ok(Claimed { replay: Replay::of(row)?, is_new: planned(row)?.is_none() })
}

fn planned(row: &Row) -> Result<Option<Planned>, tokio_postgres::Error> {
    let at: Option<Timestamp> = row.try_get("planned_to_at")?;
    let id: Option<Uuid> = row.try_get("planned_to_id")?;
    Ok(at.zip(id).map(|(at, id)| Planned { at, id }))
}

fn unpublished(row: &Row) -> Result<Unpublished, tokio_postgres::Error> {
    let known: Option<Uuid> = row.try_get("id")?;
    Ok(Unpublished {
        delivery_id: DeliveryId::from_uuid(row.try_get("delivery_id")?),
        accepted_at: row.try_get("anew_at")?,
        original: known.map(|_| Original::of(row)).transpose()?,
    })
}
