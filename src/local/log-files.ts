import { basename } from 'node:path'

/**
 * Programs append to such files line by line, or record by record, so their content is complete at any moment. A table
 * is not among them: half of an export looks like a log that grows.
 */
export function isLog(path: string): boolean {
  return /\.(log|jsonl|ndjson|out|err)$|\.tfevents\./i.test(basename(path))
}
