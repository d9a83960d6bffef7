namespace Vmm.Storage.Tools;

/// <summary>An internal snapshot, for people.</summary>
/// <param name="Id">Its number in the image.</param>
/// <param name="Name">Its name.</param>
/// <param name="Taken">When.</param>
/// <param name="DiskBytes">The disk's size then, where the image says.</param>
/// <param name="StateBytes">Bytes of saved machine state.</param>
public sealed record SnapshotInfo(string Id, string Name, DateTimeOffset Taken, ulong? DiskBytes, ulong StateBytes);
