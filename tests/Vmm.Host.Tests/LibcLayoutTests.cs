using System.Runtime.InteropServices;
using Vmm.Host.Native;

namespace Vmm.Host.Tests;

public unsafe class LibcLayoutTests
{
    [Fact]
    public void Structs_Sizes_AreTheKernels()
    {
        Assert.Equal(12, sizeof(Libc.EpollEvent));
        Assert.Equal(32, sizeof(Libc.ITimerSpec));
        Assert.Equal(60, sizeof(Libc.Termios));
        Assert.Equal(110, sizeof(Libc.SockAddrUn));
        Assert.Equal(28, sizeof(Libc.SockAddrInet));
        Assert.Equal(56, sizeof(Libc.MsgHdr));
        Assert.Equal(16, sizeof(Libc.CMsgHdr));
        Assert.Equal(16, sizeof(Libc.SockExtendedErr));
        Assert.Equal(8, sizeof(Libc.Linger));
        Assert.Equal(4, (int)Marshal.OffsetOf<Libc.EpollEvent>(nameof(Libc.EpollEvent.Data)));
        Assert.Equal(17, (int)Marshal.OffsetOf<Libc.Termios>(nameof(Libc.Termios.ControlCharacters)));
        Assert.Equal(2, (int)Marshal.OffsetOf<Libc.SockAddrUn>(nameof(Libc.SockAddrUn.Path)));
    }
}
