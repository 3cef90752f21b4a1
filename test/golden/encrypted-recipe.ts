import { createHash } from 'node:crypto'
import { encodeTomb } from '../../src/repository/format/label-and-tomb.ts'
import { tombName } from '../../src/repository/format/object-names.ts'
import { encryptionFeatureName, passwordBytes, wrapKey } from '../../src/repository/sealing/key-object.ts'
import { RepositoryKeys } from '../../src/repository/sealing/keys.ts'
import { formatRecoveryCode } from '../../src/repository/sealing/recovery-code.ts'
import { sha256Hex, toHex } from '../../src/util/hash.ts'
import { seededBytes, seededText } from '../helpers/seeded.ts'
import { fp32, network, safetensors, tuned } from '../helpers/tensors.ts'
import { pushes } from './pushes.ts'
import type { ExpectedVersion, Stage, Step } from './stage.ts'
import type { TreeNode } from './trees.ts'

const PASSWORD = 'correct horse battery'
const secret = (purpose: string, bytes: number): Buffer =>
  createHash('sha256').update(`golden repository, ${purpose}`).digest().subarray(0, bytes)

const keys = new RepositoryKeys(secret('master key', 32))

/** Keys first, then the feature, as a first push stores them. The password costs as little as a reader takes. */
async function makeKeys(stage: Stage): Promise<void> {
  const cost = { n: 2 ** 14, r: 8, p: 1 }
  const made = { label: 'golden', created: Date.UTC(2025, 2, 1, 9, 30), random: () => stage.nonce(), cost }
  const objects = [
    await wrapKey(keys, { ...made, kind: 'recovery', secret: secret('recovery code', 20) }),
    await wrapKey(keys, { ...made, kind: 'password', secret: passwordBytes(PASSWORD), label: 'Änne' }),
    await wrapKey(keys, { ...made, kind: 'machine', secret: secret('kept key', 32) }),
  ]
  for (const { name, bytes } of objects) await stage.put(name, bytes)
  await stage.put(encryptionFeatureName(keys.id), Buffer.from('This repository is encrypted.\n'))
  stage.expected.password = PASSWORD
  stage.expected.recoveryCode = formatRecoveryCode(secret('recovery code', 20))
}

function trees(): Record<string, TreeNode>[] {
  const model = network(7, [12_000, 1_100, 64])
  const first: Record<string, TreeNode> = {
    'empty.bin': { file: '' },
    'noise.bin': { file: seededBytes(140_000, 41) },
    'table.csv': { file: seededText(42, 60_000), mode: 0o600 },
    'zeros.bin': { file: new Uint8Array(600_000) },
    'model.safetensors': { file: safetensors(fp32(model)) },
    'läufe/größe 日本.txt': { file: 'a name in UTF-8\n' },
    'link': { link: 'läufe' },
  }
  const noise = Buffer.concat([Buffer.from('inserted '), seededBytes(140_000, 41)])
  const second: Record<string, TreeNode> = {
    ...first,
    'noise.bin': { file: noise },
    'model.safetensors': { file: safetensors(fp32(tuned(model, 1))) },
  }
  return [first, second]
}

async function label(stage: Stage): Promise<void> {
  await stage.label(stage.expected.versions[0] as ExpectedVersion, ['best', 'größer'], [], keys)
}

/** A tomb of the past, and the marker that says that its pack is gone. */
async function tombs(stage: Stage): Promise<void> {
  const tomb = encodeTomb({ kind: 'packs', packs: [sha256Hex(stage.nonce())] }, toHex(stage.nonce()))
  const marker = encodeTomb({ kind: 'marker', spent: [tomb.id] }, toHex(stage.nonce()))
  await stage.put(tombName(tomb.id), tomb.bytes, keys)
  await stage.put(tombName(marker.id), marker.bytes, keys)
}

export function encryptedSteps(): Step[] {
  return [
    { run: makeKeys },
    pushes('data', trees(), { keys, message: 'a message: größer' }),
    { run: label },
    { run: tombs },
    pushes('x'.repeat(64), [{ 'a.txt': { file: 'the longest name\n' } }], { keys }),
  ]
}
