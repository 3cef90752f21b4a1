import { extraField } from './extra-fields.ts'
import type { ZipRecord } from './record.ts'

const EXTRA_NTFS = 0x000a
const EXTRA_TIMES = 0x5455
const EXTRA_OLD_UNIX = 0x5855
const HAS_MTIME = 1
const NS_PER_S = 1_000_000_000n
/** From 1601, where times of Windows begin, to 1970, in units of 100 ns. */
const WINDOWS_EPOCH = 116_444_736_000_000_000n
const FIRST_DOS_YEAR = 1980
/** From this year on a signed time of 32 bits is negative. */
const SIGNED_TIMES_END = 2038

/**
 * The time of an entry in ns since 1970, by the extra fields of the directory or else of the local header (APPNOTE
 * 6.3.10, 4.5.5; Info-ZIP's extrafld.txt); else by the fields of DOS, which are in local time. Undefined if none is
 * plausible.
 */
export function timeOf(record: ZipRecord, localExtra: Buffer): bigint | undefined {
  return timeOfExtra(record.extra, record) ?? timeOfExtra(localExtra, record) ?? timeOfDos(record)
}

function timeOfExtra(extra: Buffer, record: ZipRecord): bigint | undefined {
  if (extra.length === 0) return undefined
  return timeOfWindows(extraField(extra, EXTRA_NTFS)) ?? timeOfUnix(extra, record)
}

function timeOfUnix(extra: Buffer, record: ZipRecord): bigint | undefined {
  const times = extraField(extra, EXTRA_TIMES)
  if (times !== undefined && times.length >= 5 && (times[0]! & HAS_MTIME) !== 0) return unixTime(times.readInt32LE(1), record)
  const old = extraField(extra, EXTRA_OLD_UNIX)
  return old !== undefined && old.length >= 8 ? unixTime(old.readInt32LE(4), record) : undefined
}

/** Some programs take the 32 bits as unsigned. The time of DOS tells which they are. */
function unixTime(seconds: number, { dosDate }: ZipRecord): bigint {
  const isUnsigned = seconds < 0 && FIRST_DOS_YEAR + (dosDate >> 9) >= SIGNED_TIMES_END
  return BigInt(isUnsigned ? seconds + 2 ** 32 : seconds) * NS_PER_S
}

/** The first attribute of the field holds the time of the last change, in 100 ns since 1601. */
function timeOfWindows(field: Buffer | undefined): bigint | undefined {
  for (let at = 4; field !== undefined && at + 12 <= field.length; at += 4 + field.readUInt16LE(at + 2)) {
    if (field.readUInt16LE(at) !== 1) continue
    const ticks = field.readBigUInt64LE(at + 4)
    return ticks === 0n ? undefined : (ticks - WINDOWS_EPOCH) * 100n
  }
  return undefined
}

function timeOfDos({ dosDate, dosTime }: ZipRecord): bigint | undefined {
  const [year, month, day] = [FIRST_DOS_YEAR + (dosDate >> 9), (dosDate >> 5) & 15, dosDate & 31]
  const [hours, minutes, seconds] = [dosTime >> 11, (dosTime >> 5) & 63, (dosTime & 31) * 2]
  if (month < 1 || month > 12 || day < 1 || hours > 23 || minutes > 59) return undefined
  return BigInt(new Date(year, month - 1, day, hours, minutes, seconds).getTime()) * 1_000_000n
}
