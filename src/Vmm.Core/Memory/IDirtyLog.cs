namespace Vmm.Core.Memory;

/// <summary>Keeps account of the guest pages that this process writes, for somebody else. Any thread; never blocks.</summary>
public interface IDirtyLog
{
    /// <summary>Pages were written.</summary>
    /// <param name="first">The first guest page frame number.</param>
    /// <param name="last">The last.</param>
    void PagesWritten(ulong first, ulong last);
}
