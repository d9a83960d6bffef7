namespace Vmm.Machine.Served;

/// <summary>A recording.</summary>
/// <param name="Path">The file.</param>
/// <param name="SnapLength">The most bytes of each frame.</param>
internal sealed record ServedCapture(string Path, int SnapLength);
