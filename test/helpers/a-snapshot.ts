import type { Snapshot } from '../../src/repository/format/snapshot.ts'

/** The snapshot of an empty version of `data`, except for what `fields` replaces. */
export function aSnapshot(fields: Partial<Snapshot> = {}): Snapshot {
  return {
    name: 'data',
    time: 1000,
    listed: 900,
    host: 'host',
    source: { path: '/data', type: 'directory' },
    tags: [],
    metrics: {},
    parent: null,
    counts: { files: 0, directories: 0, symlinks: 0 },
    bytes: 0,
    added: { bytes: 0, storedBytes: 0 },
    manifest: { bytes: 0, chunks: [] },
    program: 'a test',
    ...fields,
  }
}
