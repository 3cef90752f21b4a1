import { checkConfig, encodeConfig } from '../../../src/repository/format/config.ts'
import { decodeLabel, decodeTomb, encodeLabel, encodeTomb, type Tomb } from '../../../src/repository/format/label-and-tomb.ts'
import { labelName, parseSnapshotObjectName, snapshotObjectName, type SnapshotRef } from '../../../src/repository/format/object-names.ts'
import { decodeSnapshot, encodeSnapshot, nameSnapshot, type StoredSnapshot } from '../../../src/repository/format/snapshot.ts'
import { equalBytes } from '../../../src/util/bytes.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { sha256Hex } from '../../../src/util/hash.ts'
import { aSnapshot } from '../../helpers/a-snapshot.ts'
import { type Answer } from '../rescue.ts'
import { decoded, promise, type Target } from '../target.ts'

const CONTENT = { host: 'h', message: 'epoch 3', tags: ['best', 'α'], metrics: { loss: 0.25 }, parent: 'ab'.repeat(32), bytes: 7 }
const SNAPSHOTS = [
  aSnapshot(),
  aSnapshot({ ...CONTENT, name: 'run ü', git: { commit: 'c0ffee', branch: 'main', dirty: true }, incomplete: { files: 2, carried: 1 } }),
]

/** The name under which the bytes would be found, as far as they state one. */
function refOf(bytes: Uint8Array): SnapshotRef | undefined {
  const name = nameSnapshot(bytes)
  return name === undefined ? undefined : parseSnapshotObjectName({ name, size: bytes.length, created: 0 })
}

type Versions = { id: string; name: string; tags: string[]; message: string; bytes: number }[]
const versionsOf = (answer: Answer): Versions => (answer as { versions: Versions } | undefined)?.versions ?? []

export const snapshot: Target = {
  name: 'snapshot',
  isJson: true,
  seeds: () => SNAPSHOTS.map(each => encodeSnapshot(each).bytes),
  async run(input, rescue) {
    const ref = refOf(input)
    if (!ref) {
      // a name that does not fit is refused too
      decoded(() => decodeSnapshot(input, { ...FIXED_REF, shortId: sha256Hex(input).slice(0, 16) }))
      return
    }
    const got = decodeSnapshot(input, ref)
    const again = encodeSnapshot(contentOf(got))
    const reread = decodeSnapshot(again.bytes, parseSnapshotObjectName({ name: again.objectName, size: again.bytes.length, created: 0 })!)
    promise(JSON.stringify(contentOf(reread)) === JSON.stringify(contentOf(got)), 'a snapshot that decodes is written and read alike')
    if (!rescue) return
    const [version, ...more] = versionsOf(
      await rescue.repository(
        new Map([
          ['config.json', encodeConfig()],
          [ref.objectName, input],
        ]),
      ),
    )
    const { id, name, tags, message = '', bytes } = got
    promise(more.length === 0 && version !== undefined, 'rescue.py lists the version')
    const ours = { id, name, tags: [...new Set(tags)], message, bytes }
    const { id: otherId, name: otherName, tags: otherTags, message: otherMessage, bytes: otherBytes } = version
    const other = { id: otherId, name: otherName, tags: otherTags, message: otherMessage, bytes: otherBytes }
    promise(JSON.stringify(ours) === JSON.stringify(other), 'rescue.py reads the same', ours, other)
  },
}

const FIXED_REF = parseSnapshotObjectName({ name: snapshotObjectName(1000, '0'.repeat(64), 'data'), size: 0, created: 0 })!

function contentOf(stored: StoredSnapshot): Omit<StoredSnapshot, 'id' | 'ref'> {
  const content: Partial<StoredSnapshot> = { ...stored }
  delete content.id
  delete content.ref
  return content as Omit<StoredSnapshot, 'id' | 'ref'>
}

const VERSION = encodeSnapshot(aSnapshot({ tags: ['old', 'kept'] }))

/** A label of a known version. */
export const label: Target = {
  name: 'label',
  isJson: true,
  seeds() {
    const own = { snapshot: VERSION.id, add: ['best'], remove: ['old'] }
    const version = Buffer.from(VERSION.bytes).toString()
    return [own, { ...own, time: 2000 }, { ...own, time: 5, version }].map(each => encodeLabel(each, 'ab'.repeat(16)).bytes)
  },
  async run(input, rescue) {
    const id = sha256Hex(input)
    const got = decoded(() => decodeLabel(input, id))
    if (!got) return
    const again = encodeLabel(got, '00')
    promise(JSON.stringify(decodeLabel(again.bytes, again.id)) === JSON.stringify(got), 'a label that decodes is written and read alike')
    if (!rescue) return
    const objects = [
      ['config.json', encodeConfig()],
      [VERSION.objectName, VERSION.bytes],
      [labelName(id), input],
    ] as const
    const [version] = versionsOf(await rescue.repository(new Map(objects)))
    const kept = ['old', 'kept'].filter(tag => !got.remove.includes(tag))
    const tags = got.snapshot === VERSION.id ? [...new Set([...kept, ...got.add])] : ['old', 'kept']
    promise(JSON.stringify(version?.tags) === JSON.stringify(tags), 'rescue.py finds the same tags', tags, version?.tags)
  },
}

const TOMBS: Tomb[] = [
  { kind: 'packs', packs: ['ab'.repeat(32)] },
  { kind: 'marker', spent: ['cd'.repeat(32), 'ef'.repeat(32)] },
]

export const tomb: Target = {
  name: 'tomb',
  isJson: true,
  seeds: () => TOMBS.map(each => encodeTomb(each, 'ab'.repeat(16)).bytes),
  run(input) {
    const got = decoded(() => decodeTomb(input, sha256Hex(input)))
    if (!got) return
    const again = encodeTomb(got, '00')
    promise(JSON.stringify(decodeTomb(again.bytes, again.id)) === JSON.stringify(got), 'a tomb that decodes is written and read alike')
  },
}

export const config: Target = {
  name: 'config',
  isJson: true,
  seeds: () => [encodeConfig(), Buffer.from('{"format":2}'), Buffer.from('{"format":0}')],
  async run(input, rescue) {
    let ours = 'accepted'
    try {
      checkConfig(input, 'a folder')
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      ours = error.code
    }
    promise(ours === 'accepted' || !equalBytes(input, encodeConfig()), 'its own config is accepted')
    if (!rescue || ours === 'corrupt') return
    const other = await rescue.repository(new Map([['config.json', input]]))
    promise((other === undefined) === (ours === 'newer-format'), 'rescue.py refuses the same as newer', ours)
  },
}
