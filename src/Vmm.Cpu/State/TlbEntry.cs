namespace Vmm.Cpu.State;

/// <summary>
/// One translation. A tag is the page's linear address where that kind of access may go straight to memory, else a value that no
/// address of this entry's index can match. <c>(linear ^ tag) &lt;= 4096 - size</c> tests page, permission and page crossing at once.
/// </summary>
internal struct TlbEntry
{
    public ulong ReadTag;
    public ulong WriteTag;
    public ulong FetchTag;

    /// <summary>Host address minus linear address.</summary>
    public ulong Addend;
}
