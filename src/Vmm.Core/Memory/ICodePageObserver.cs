namespace Vmm.Core.Memory;

/// <summary>Told when somebody other than a vCPU (a device, a loader, a debugger) wrote a page that holds decoded code.</summary>
public interface ICodePageObserver
{
    /// <summary>Drops what was decoded from the page. Called from any thread, after the bytes were written.</summary>
    /// <param name="page">Guest page frame number.</param>
    void CodePageWritten(ulong page);
}
