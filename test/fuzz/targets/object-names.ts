import {
  hashInName,
  isOurs,
  isSurelyOurs,
  kindOfMangled,
  nameProblem,
  parseSnapshotObjectName,
  snapshotObjectName,
  takeInventory,
} from '../../../src/repository/format/object-names.ts'
import { isObjectName } from '../../../src/storage/storage.ts'
import { promise, type Target } from '../target.ts'

const HEX = 'ab'.repeat(32)
const OWN = ['config.json', `pack-${HEX}`, `index-${HEX}`, `label-${HEX}.json`, `tomb-${HEX}.json`, 'feature-x', `Copy of pack-${HEX}`]

/** Lines are the names that a store lists. */
export const objectNames: Target = {
  name: 'object-names',
  seeds: () => [
    ...OWN.map(name => Buffer.from(name)),
    Buffer.from(OWN.join('\n')),
    Buffer.from(snapshotObjectName(1_764_000_000_123, HEX, 'run ü')),
    Buffer.from(`${snapshotObjectName(0, HEX, 'data')}\nsub/snapshot-20261122T182401123Z-abababababababab-a.json\nvm-snapshot-2026.img`),
  ],
  run(input) {
    const names = Buffer.from(input).toString('utf8').split('\n')
    const objects = names.map((name, i) => ({ name, size: i, created: i * 1e10 }))
    const inventory = takeInventory({ asOf: 5e10, objects, misplaced: names })
    promise(Number.isFinite(inventory.now), 'there is a time')
    for (const { name } of objects) {
      const ref = parseSnapshotObjectName({ name, size: 0, created: 0 })
      if (ref) {
        promise(nameProblem(ref.name) === undefined, 'the name of a version is allowed', ref)
        promise(
          snapshotObjectName(ref.time, ref.shortId, ref.name) === name,
          'the name of a snapshot is the one that would be written',
          name,
        )
        promise(isOurs(name) && isSurelyOurs(name) && isObjectName(name) && hashInName(name) === ref.shortId, 'a snapshot is ours', name)
      }
      kindOfMangled(name)
    }
  },
}
