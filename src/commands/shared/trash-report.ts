import type { TrashedObjects } from '../../repository/prune/empty-trash.ts'
import { plural } from '../../ui/format.ts'
import { formatBytes } from '../../util/format-bytes.ts'

export const amountOf = ({ objects, bytes }: TrashedObjects): string => `${formatBytes(bytes)} (${plural(objects, 'object')})`

/** Reports the repository's objects in the trash. They still count against the quota. */
export function describeTrash(trashed: TrashedObjects): string {
  const versions = trashed.versions === 0 ? '' : `, ${plural(trashed.versions, 'version')} among them`
  return `In Drive's trash: ${amountOf(trashed)}${versions}. ${howToEmpty(trashed)}`
}

/** What to do about it. */
export function howToEmpty({ versions }: TrashedObjects): string {
  if (versions === 0) return '`colab-escape prune --empty-trash` puts back what versions need and frees the rest.'
  return '`colab-escape prune --empty-trash` deletes the versions there for good, puts back what others need and frees the rest. To keep them, restore them in Drive first.'
}
