//! The records that were set aside.

use deadpool_postgres::Transaction;

use crate::fold::Reject;

const INSERT_SQL: &str = "\
    INSERT INTO projector_rejects (topic, partition, record_offset, reason, key, value) \
    SELECT * FROM UNNEST( \
        $1::text[], $2::int[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[]) \
    ON CONFLICT DO NOTHING";

pub(super) async fn insert(
    transaction: &Transaction<'_>,
    rejects: &[Reject],
) -> Result<(), tokio_postgres::Error> {
    if rejects.is_empty() {
        return Ok(());
    }
    fn column<'a, T>(rows: &'a [Reject], of: impl Fn(&'a Reject) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    let statement = transaction.prepare_cached(INSERT_SQL).await?;
    transaction
        .execute(
            &statement,
            &[
                &column::<&str>(rejects, |reject| &reject.topic),
                &column::<i32>(rejects, |reject| reject.partition),
                &column::<i64>(rejects, |reject| reject.offset),
                &column::<&str>(rejects, |reject| &reject.reason),
                &column::<Option<&[u8]>>(rejects, |reject| reject.key.as_deref()),
                &column::<Option<&[u8]>>(rejects, |reject| reject.value.as_deref()),
            ],
        )
        .await?;
    Ok(())
}
