using System.Globalization;
using System.Text;
using Vmm.Control.Rpc;
using Vmm.Host;

namespace Vmm.Cli.Domains;

/// <summary>The table of <c>vmm top</c>, with xentop's columns.</summary>
internal static class TopTable
{
    private const int KilobyteShift = 10;
    private const ulong SectorBytes = 512;
    private const double Percent = 100;

    private static readonly (string Title, int Width)[] Columns =
    [
        ("NAME", -20), ("STATE", 8), ("CPU(sec)", 10), ("CPU(%)", 7), ("MEM(k)", 10), ("MEM(%)", 7), ("MAXMEM(k)", 10), ("VCPUS", 6), ("NETS", 5), ("NETTX(k)", 10),
        ("NETRX(k)", 10), ("VBDS", 5), ("VBD_RD", 9), ("VBD_WR", 9), ("VBD_RSECT", 11), ("VBD_WSECT", 11),
    ];

    /// <summary>The lines, the titles first.</summary>
    /// <param name="now">The domains.</param>
    /// <param name="before">What they were a while ago.</param>
    public static IEnumerable<string> Lines(IReadOnlyList<TopSample> now, IReadOnlyList<TopSample> before)
    {
        yield return Line([.. Columns.Select(c => c.Title)]);
        foreach (TopSample sample in now) yield return Line(Cells(sample, before.FirstOrDefault(b => b.Status.Folder.Id == sample.Status.Folder.Id)));
    }

    private static string[] Cells(TopSample sample, TopSample? before)
    {
        DomainInfo? info = sample.Status.Info;
        ulong made = info?.MemoryBytes ?? 0, has = made - Math.Min(made, info?.BalloonBytes ?? 0), most = info?.MaximumMemoryBytes ?? 0;
        return
        [
            sample.Status.Name,
            ListCommand.Letters(sample.Status),
            Text(info?.CpuSeconds ?? 0, "F0"),
            Text(sample.CpuPercent(before), "F1"),
            Text(has >> KilobyteShift),
            Text(Percent * has / Math.Max(1, HostFacts.MemoryBytes ?? 1), "F1"),
            Text(most >> KilobyteShift),
            Text(info?.Vcpus ?? 0),
            Text(sample.Nets.Count),
            Text(Sum(sample.Nets, n => n.Statistics?.SentBytes) >> KilobyteShift),
            Text(Sum(sample.Nets, n => n.Statistics?.ReceivedBytes) >> KilobyteShift),
            Text(sample.Disks.Count),
            Text(Sum(sample.Disks, d => d.Statistics?.Reads)),
            Text(Sum(sample.Disks, d => d.Statistics?.Writes)),
            Text(Sum(sample.Disks, d => d.Statistics?.ReadBytes) / SectorBytes),
            Text(Sum(sample.Disks, d => d.Statistics?.WrittenBytes) / SectorBytes),
        ];
    }

    private static ulong Sum<T>(IReadOnlyList<T> items, Func<T, ulong?> value)
    {
        ulong sum = 0;
        foreach (T item in items) sum += value(item) ?? 0;
        return sum;
    }

    private static string Text<T>(T value, string? format = null) where T : IFormattable => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Line(string[] cells)
    {
        StringBuilder line = new();
        for (int i = 0; i < cells.Length; i++) line.Append(Columns[i].Width < 0 ? cells[i].PadRight(-Columns[i].Width) : cells[i].PadLeft(Columns[i].Width));
        return line.ToString();
    }
}
