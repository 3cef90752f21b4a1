/** Pages of `colab-escape help`, beside those of the commands and of the options. */
export const TOPICS: Readonly<Record<string, { title: string; text: string }>> = {
  versions: {
    title: 'How to name a version',
    text: `
A pushed folder or file gives its versions their name. After the name:

  data                the newest version of data
  data~1              the one before; data~2 the one before that
  data@best           the version with the tag best
  data@8636           the version whose id begins with 8636
  data@2026-11-20     the newest at the end of that day
  data@yesterday      the newest at the end of yesterday
  data@2h             the newest that is at least 2 hours old
                      (also 30min, 3d, 1d12h)
  data@best:val_loss  the version with the lowest val_loss
  data@best:max:acc   the version with the highest acc

With :path it is a file or a folder in that version:

  data:train/labels.csv
  runs@best:val_loss:exp1/model.pt
  "runs:exp1/*.json"  all files that match

The command log lists versions with their ids and tags, ls their files.`,
  },
}
