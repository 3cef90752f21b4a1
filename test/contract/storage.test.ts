import { join } from 'node:path'
import { LONGEST_OTHER as LONGEST_SEALED_NAME } from '../../src/repository/sealing/sealed-names.ts'
import { SealedStorage } from '../../src/repository/sealing/sealed-storage.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { LimitingStorage } from '../../src/storage/limiting.ts'
import { RememberingStorage } from '../../src/storage/remembering.ts'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { testKeys } from '../helpers/repository/keys.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import type { FaultPlan } from '../helpers/storage/faulty.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { COLAB_PROFILE, ModelledStorage } from '../helpers/storage/modelled.ts'
import { VirtualClock } from '../helpers/storage/virtual-clock.ts'
import { describeStorageContract } from './storage-contract.ts'

/** The first call of each kind for each name fails: puts and removes in turn before and after they took effect. */
function eachFirstCallFails(): FaultPlan {
  const seen = new Set<string>()
  return ({ kind, name, nth }) => {
    if (seen.has(`${kind} ${name}`)) return undefined
    seen.add(`${kind} ${name}`)
    const canLoseItsAnswer = kind === 'put' || kind === 'remove'
    if (canLoseItsAnswer && nth % 2 === 0) return { fault: 'lost-answer' }
    return nth % 3 === 0 ? { fault: 'error', code: 'throttled', retryAfterMs: 5 } : { fault: 'error', code: 'unavailable' }
  }
}

describeStorageContract('memory', use => use(new MemoryStorage()))

describeStorageContract('folder', use => withFolder(path => use(new FolderStorage(join(path, 'not', 'yet', 'there')))))

describeStorageContract('retrying, over faulty memory', use =>
  use(new RetryingStorage(new FaultyStorage(new MemoryStorage(), eachFirstCallFails()), timelessPatience())),
)

describeStorageContract('limiting, over memory', use =>
  use(new LimitingStorage(new MemoryStorage(), { maxConcurrent: 2, maxInFlightBytes: 1000 })),
)

describeStorageContract('remembering, over memory', use =>
  use(new RememberingStorage(new MemoryStorage(), { remembers: () => true, objectBytes: 1000, totalBytes: 5000 })),
)

describeStorageContract('sealed, over memory', use => use(new SealedStorage(new MemoryStorage(), testKeys())), LONGEST_SEALED_NAME)

describeStorageContract('modelled, over memory, in virtual time', use => {
  const clock = new VirtualClock()
  const profile = { ...COLAB_PROFILE, creationBurst: 100 }
  return use(new ModelledStorage(new MemoryStorage({ now: clock.now }), profile, { ...options(clock), random: () => 0.5 }))
})

describeStorageContract('Drive, over the emulator', use => withDrive({}, emulator => use(driveStorage(emulator))))

function options({ sleep, now }: VirtualClock) {
  return { sleep, now }
}
