import type { Notes } from '../../repository/versions/notes.ts'
import { describeMetrics } from '../../ui/format.ts'

/** What a push gave to the version that is there already. */
export function describeNoted({ tags = [], message, metrics }: Notes): string {
  const given = Object.entries(metrics ?? {}).filter((entry): entry is [string, number] => entry[1] !== null)
  const parts = [
    ...tags.map(tag => `[${tag}]`),
    ...(given.length === 0 ? [] : [describeMetrics(Object.fromEntries(given))]),
    ...(message === undefined ? [] : [message === '' ? 'no message' : message]),
  ]
  return `  No new version; this one got: ${parts.join(' ')}`
}

export function notedToJson(noted: Notes | undefined): object | null {
  if (!noted) return null
  const { tags = [], message = null, metrics = {} } = noted
  return { tags, message, metrics }
}
