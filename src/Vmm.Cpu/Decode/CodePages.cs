using Vmm.Core.Memory;

namespace Vmm.Cpu.Decode;

/// <summary>
/// Which vCPUs hold decoded code of which guest pages. Shared by the vCPUs of a machine. The page's <see cref="PageFlags.Code"/> is set
/// while anybody is listed, so that writers need to ask here only about such pages.
/// </summary>
internal sealed class CodePages : ICodePageObserver
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, ulong> _users = [];
    private volatile Cpu[] _cpus = [];
    private int _claiming;

    /// <summary>At most 64 vCPUs: one bit each.</summary>
    public const int MaxCpus = 64;

    public void Join(Cpu cpu)
    {
        lock (_gate) _cpus = [.. _cpus, cpu];
    }

    /// <summary>The vCPUs of the machine.</summary>
    public Cpu[] Cpus => _cpus;

    /// <summary>
    /// Lists a vCPU for a page, before it reads the bytes that it decodes. Every other vCPU drops its write translations of the page
    /// before this returns, so that no later store goes unseen.
    /// </summary>
    public unsafe void Claim(Cpu cpu, ulong page, byte* flags)
    {
        lock (_gate)
        {
            _users.TryGetValue(page, out ulong users);
            _users[page] = users | (1UL << cpu.Index);
            AtomicFlags.Set(ref *flags, (byte)PageFlags.Code);
            // Listed already, so that nobody can store to it unseen; unless the first claim is still waiting for that.
            if (users != 0 && _claiming == 0) return;
            _claiming++;
        }

        foreach (Cpu other in _cpus)
        {
            if (!ReferenceEquals(other, cpu)) other.PostDropWrites(cpu);
        }

        lock (_gate) _claiming--;
    }

    /// <summary>Takes a vCPU off a page's list.</summary>
    public unsafe void Release(Cpu cpu, ulong page, byte* flags)
    {
        lock (_gate)
        {
            if (!_users.TryGetValue(page, out ulong users)) return;
            users &= ~(1UL << cpu.Index);
            if (users != 0)
            {
                _users[page] = users;
                return;
            }

            _users.Remove(page);
            AtomicFlags.Clear(ref *flags, (byte)PageFlags.Code);
        }
    }

    /// <summary>A vCPU stored to a page with code: the others must drop what they decoded of those bytes.</summary>
    public void Written(Cpu writer, ulong physical, int bytes)
    {
        ulong others;
        lock (_gate)
        {
            if (!_users.TryGetValue(physical >> GuestAddress.PageShift, out others)) return;
        }

        others &= ~(1UL << writer.Index);
        if (others != 0) Post(others, physical, bytes);
    }

    /// <inheritdoc/>
    public void CodePageWritten(ulong page)
    {
        ulong users;
        lock (_gate)
        {
            if (!_users.TryGetValue(page, out users)) return;
        }

        Post(users, page << GuestAddress.PageShift, GuestAddress.PageSize);
    }

    private void Post(ulong users, ulong physical, int bytes)
    {
        foreach (Cpu cpu in _cpus)
        {
            if ((users >> cpu.Index & 1) != 0) cpu.PostCodeWritten(physical, bytes);
        }
    }
}
